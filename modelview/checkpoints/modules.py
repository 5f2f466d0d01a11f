"""A pickled module as a tree: classes by name, tensors and plain attributes, nothing imported."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from modelview.checkpoints.records import Stub, TensorInfo
from modelview.errors import CheckpointError

MOST_NAMES = 1_000_000

_OWN = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")
"""What nn.Module keeps for itself, beside its hooks; everything else in its state is the class's."""
HELD = "attributes"
"""The place of the tensors that a module holds beside its state_dict."""


@dataclass(eq=False)
class ModuleNode:
    """One module of a pickled model, as its class left it.

    kind: "package.module.Class". attributes: what the class itself set, as plain values and stubs. parameters,
    buffers, children: by name, in the stored order; None where the module registered one without a value. A module
    that stands at several places is one node. non_persistent: buffers that its state_dict leaves out. packed: children
    that keep themselves in a form of their own, as quantized ones do.
    """

    kind: str
    training: bool = True
    attributes: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, TensorInfo | None] = field(default_factory=dict)
    buffers: dict[str, TensorInfo | None] = field(default_factory=dict)
    non_persistent: frozenset[str] = frozenset()
    children: "dict[str, ModuleNode | None]" = field(default_factory=dict)
    packed: dict[str, Any] = field(default_factory=dict)

    @property
    def parallel_note(self) -> str:
        """What to say of a model that was saved inside DataParallel with its devices; "" for any other."""
        kind = self.kind.rpartition(".")[2]
        if kind not in ("DataParallel", "DistributedDataParallel"):
            return ""
        devices = self.attributes.get("device_ids")
        numbers = [n for n in devices if type(n) is int] if isinstance(devices, list | tuple) else []
        where = f" on devices {', '.join(map(str, numbers[:16]))}, which are ignored" if numbers else ""
        return f"The model was saved inside {kind}{where}; the model in it is what opens."

    def named(self) -> "Iterator[tuple[str, ModuleNode]]":
        """Every module by its dotted path, itself first, in the order of `named_modules(remove_duplicate=False)`."""
        stack: list[tuple[str, ModuleNode, frozenset[int]]] = [("", self, frozenset())]
        count = 0
        while stack:
            path, node, above = stack.pop()
            count += 1
            if count > MOST_NAMES:
                raise CheckpointError(f"The pickled model has more than {MOST_NAMES:,} module paths.")
            yield path, node
            inner = [
                (f"{path}.{name}".lstrip("."), child) for name, child in node.children.items() if child is not None
            ]
            above = above | {id(node)}
            stack += [(name, child, above) for name, child in reversed(inner) if id(child) not in above]

    def tensors(self) -> dict[str, TensorInfo]:
        """What its state_dict would hold, in its order."""
        found: dict[str, TensorInfo] = {}
        for path, node in self.named():
            kept = {name: buffer for name, buffer in node.buffers.items() if name not in node.non_persistent}
            for name, info in {**node.parameters, **kept}.items():
                if info is not None:
                    found[f"{path}.{name}".lstrip(".")] = info
        return found

    def held(self) -> dict[str, TensorInfo]:
        """Tensors that its state_dict leaves out: in plain attributes, packed, and buffers that are not saved."""
        found: dict[str, TensorInfo] = {}
        seen = {id(info) for info in self.tensors().values()}
        for path, node in self.named():
            level: list[tuple[str, Any]] = [(path, {**node.buffers, **node.attributes, **node.packed})]
            while level:
                place, value = level.pop()
                if isinstance(value, TensorInfo):
                    found[place.lstrip(".")] = value
                inner = [(f"{place}.{name}", child) for name, child in _inside(value) if id(child) not in seen]
                seen.update(id(child) for _, child in inner)
                level += reversed(inner)
        return found


def is_module(value: Any) -> bool:
    """Whether a stub was a torch.nn.Module."""
    return isinstance(value, Stub) and isinstance(value.state, dict) and all(name in value.state for name in _OWN[:3])


def tree(stub: Stub) -> ModuleNode:
    """The module that a stub was, with all below it."""
    nodes: dict[int, ModuleNode] = {}
    waiting = [stub]
    root = nodes[id(stub)] = ModuleNode(stub.name)
    while waiting:
        one = waiting.pop()
        node, state = nodes[id(one)], one.state
        node.training = state.get("training") is not False
        node.parameters, node.buffers = _tensors(state["_parameters"]), _tensors(state["_buffers"])
        unsaved = state.get("_non_persistent_buffers_set")
        node.non_persistent = frozenset(map(str, unsaved)) if isinstance(unsaved, list) else frozenset()
        node.attributes = {str(k): v for k, v in state.items() if k not in _OWN and "_hooks" not in str(k)}
        for name, child in _dict(state["_modules"]).items():
            if is_module(child) and id(child) not in nodes:
                nodes[id(child)] = ModuleNode(child.name)
                waiting.append(child)
            node.children[str(name)] = nodes.get(id(child)) if is_module(child) else None
            if not is_module(child) and child is not None:
                node.packed[str(name)] = child
    return root


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    """What a plain value or a stub holds, by name or number, that can be a tensor or hold one."""
    if isinstance(value, Stub):
        value = {} if is_module(value) else {**_numbered(value.arguments), **_numbered(value.state)}
    inner = _numbered(value)
    return [(name, child) for name, child in inner.items() if isinstance(child, (dict, list, tuple, Stub, TensorInfo))]


def _numbered(value: Any) -> dict[Any, Any]:
    return dict(enumerate(value)) if isinstance(value, (list, tuple)) else _dict(value)


def _tensors(value: Any) -> dict[str, TensorInfo | None]:
    return {str(name): info if isinstance(info, TensorInfo) else None for name, info in _dict(value).items()}


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
