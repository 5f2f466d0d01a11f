"""What a cut model keeps: its layers and tensors under their own names, as modules and as Python."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Union

from torch import nn

from modelview.rewrite.tracing import Recording, numbers_of
from modelview.script import quoted, reference


@dataclass
class Holder:
    """One opened module: what is kept of it, in the order in which it was registered.

    kept: names of numbers, tensors and modules that stay as they are, and the holders of opened children.
    """

    original: nn.Module
    path: str = ""
    kept: dict[str, Union["Holder", None]] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether it cannot be a ModuleDict: it is the whole, has more than modules, or a name that it refuses."""
        names = self.kept.keys()
        has_more = any(name not in self.original._modules for name in names)
        return not self.path or has_more or any(hasattr(nn.ModuleDict, name) for name in names)

    @property
    def is_literal(self) -> bool:
        """Whether it can be written as one ModuleDict literal, which no plain holder fits in."""
        return not self.is_plain and all(child is None or child.is_literal for child in self.kept.values())

    def child_path(self, name: str) -> str:
        """The path of a child in the whole model."""
        return f"{self.path}.{name}" if self.path else name


def hold(recording: Recording) -> Holder:
    """The holder of the whole model, with everything that the recorded graph calls or reads."""
    root = Holder(recording.model)
    for node in recording.graph.nodes:
        if node.op in ("call_module", "get_attr"):
            _keep(root, str(node.target).split("."), recording.opened)
    _sort(root)
    return root


def _keep(holder: Holder, names: list[str], opened: frozenset[int]) -> None:
    name, *rest = names
    child = holder.original._modules.get(name)
    if child is None or id(child) not in opened:
        holder.kept[name] = None
        return
    inner = holder.kept.setdefault(name, Holder(child, holder.child_path(name)))
    assert inner is not None
    _keep(inner, rest, opened)


def _sort(holder: Holder) -> None:
    original = holder.original
    order = [*numbers_of(original), *original._parameters, *original._buffers, *original._modules]
    holder.kept = {name: holder.kept[name] for name in order if name in holder.kept}
    for child in holder.kept.values():
        if child is not None:
            _sort(child)


def as_module(holder: Holder) -> nn.Module:
    """The holder as a module: nn.Module where it is plain, else ModuleDict. Children are not copied."""
    module = nn.Module() if holder.is_plain else nn.ModuleDict()
    original = holder.original
    for name, child in holder.kept.items():
        if name in original._buffers:
            persistent = name not in original._non_persistent_buffers_set
            module.register_buffer(name, original._buffers[name], persistent=persistent)
        elif name in original._parameters:
            module.register_parameter(name, original._parameters[name])
        elif name not in original._modules:
            setattr(module, name, int(getattr(original, name)))
        else:
            module._modules[name] = as_module(child) if child else original._modules[name]
    module.training = bool(original.training)
    return module


def spelled(model: nn.Module, path: str, base: str = "model") -> str:
    """The module or tensor at `path` as Python that reads it, where `base` is the model."""
    holder_path, _, name = path.rpartition(".")
    holder = model.get_submodule(holder_path)
    if isinstance(holder, nn.ParameterList):
        text = f"{reference(model, holder_path)}[{name}]"
    elif isinstance(holder, nn.ParameterDict):
        text = f"{reference(model, holder_path)}[{quoted(name)}]"
    elif isinstance(holder, nn.ModuleDict) and name not in holder._modules:
        text = f"{reference(model, holder_path)}.{name}"
    else:
        text = reference(model, path)
    return base + text.removeprefix("model")


def assignments(holder: Holder, kept: nn.Module, model: nn.Module, sources: dict[str, str]) -> Iterator[str]:
    """Lines of `__init__` that take everything from `model`.

    kept: the holder of the whole as a module. sources: expressions for what differs from the module at its path.
    """
    for name, child in holder.kept.items():
        path = holder.child_path(name)
        source = sources.get(path) or spelled(model, path)
        if child is not None and not child.is_literal:
            yield _opened(kept, path, "nn.Module()" if child.is_plain else "nn.ModuleDict()")
            yield from assignments(child, kept, model, sources)
        elif child is not None:
            line = assignment(kept, path, _literal(child, model, sources))
            nested = "." not in path and any(child.kept.values())
            yield line.replace(" = ", ": Any = ", 1) if nested else line  # ModuleDict has no type for what is in it
        elif name in holder.original._buffers:
            persistent = name not in holder.original._non_persistent_buffers_set
            end = "" if persistent else ", persistent=False"
            yield f"{spelled(kept, holder.path, 'self')}.register_buffer({quoted(name)}, {source}{end})"
        else:
            yield assignment(kept, path, source)


def _opened(kept: nn.Module, path: str, value: str) -> str:
    """The same for a holder, by a call: of an attribute that is assigned a type checker believes what it is."""
    holder_path, _, name = path.rpartition(".")
    return f"{spelled(kept, holder_path, 'self')}.add_module({quoted(name)}, {value})"


def assignment(kept: nn.Module, path: str, value: str) -> str:
    """The line of `__init__` that puts `value` where `kept` has it."""
    target = spelled(kept, path, "self")
    if not target.endswith(")"):
        return f"{target} = {value}"
    holder_path, _, name = path.rpartition(".")
    return f"{spelled(kept, holder_path, 'self')}.add_module({quoted(name)}, {value})"


def _literal(holder: Holder, model: nn.Module, sources: dict[str, str]) -> str:
    """A ModuleDict literal, on lines of its own where it has more than one child."""
    values = {
        name: _literal(child, model, sources) if child else sources.get(path) or spelled(model, path)
        for name, child in holder.kept.items()
        for path in [holder.child_path(name)]
    }
    items = [f"{quoted(name)}: {value}" for name, value in values.items()]
    if len(items) == 1 and "\n" not in items[0] and len(items[0]) < 60:
        return f"nn.ModuleDict({{{items[0]}}})"
    lines = ["    " + item.replace("\n", "\n    ") + "," for item in items]
    return "\n".join(["nn.ModuleDict({", *lines, "})"])
