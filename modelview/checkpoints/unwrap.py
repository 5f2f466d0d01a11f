"""Where in a file the weights are: state_dicts at any place, and the wrappers whose names stand before every key."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelview.checkpoints import modules
from modelview.checkpoints.graph import children
from modelview.checkpoints.modules import ModuleNode
from modelview.checkpoints.records import Stub, TensorInfo
from modelview.names import short

WRAPPERS = (
    "module.",
    "_orig_mod.",
    "_forward_module.",
    "model.",
    "net.",
    "network.",
    "backbone.",
    "encoder.",
    "model_state_dict.",
    "state_dict.",
)
"""What wraps a model under an attribute: DataParallel, torch.compile, DeepSpeed, Lightning and the like."""

PREFERRED = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "weights", "params"),
    "generator",
)
"""What a model's own weights are kept under, likeliest first."""
_AVERAGED = ("ema", "average", "swa", "teacher", "shadow")
_BESIDE = ("optimizer", "optim", "scheduler", "scaler", "rng", "sampler", "grad")
"""What lies beside a model in a training checkpoint and also holds tensors."""
_HELD = "No state_dict has these tensors: the modules keep them as plain attributes, packed, or as constants."
_REBUILDERS = ("torch._utils._rebuild_", "torch._tensor._rebuild_")


@dataclass(frozen=True)
class Candidate:
    """One state_dict in a file. path: its dotted place, "" at the top. module: where it is a whole module.

    beside: whether these are no weights of a state_dict, but tensors that a module holds beside it.
    """

    path: str
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    module: ModuleNode | None = None
    note: str = ""
    beside: bool = False


def candidates(root: Any) -> list[Candidate]:
    """Every state_dict in what was read, the likeliest first."""
    found, seen = [], {id(root)}
    level: list[tuple[str, Any]] = [("", root)]
    while level:
        below = []
        for path, value in level:
            candidate = _candidate(path, value)
            if candidate is not None:
                found.append(candidate)
            if candidate is not None and candidate.module is not None:
                if held := candidate.module.held():
                    found.append(Candidate(f"{path}.{modules.HELD}".lstrip("."), held, note=_HELD, beside=True))
                continue
            for name, child in _inner(value):
                if isinstance(child, (dict, list, tuple, Stub)) and id(child) not in seen:
                    seen.add(id(child))
                    below.append((f"{path}.{name}".lstrip("."), child))
        level = below
    return sorted(found, key=_rank)


def stripped(names: Iterable[str]) -> str:
    """What stands before every name and is a known wrapper, to the last: "module._orig_mod." for example.

    >>> stripped(["module.model.fc.weight", "module.model.fc.bias"]), stripped(["module.fc.weight", "step"])
    ('module.model.', '')
    """
    names, prefix = list(names), ""
    while names:
        wrapper = next((w for w in WRAPPERS if all(n.startswith(w, len(prefix)) for n in names)), None)
        if wrapper is None or any(len(name) == len(prefix) + len(wrapper) for name in names):
            break
        prefix += wrapper
    return prefix


def _candidate(path: str, value: Any) -> Candidate | None:
    if isinstance(value, TensorInfo):
        return Candidate(path, {"tensor": value}, note="The file holds one tensor alone.")
    if modules.is_module(value):
        node = modules.tree(value)
        return Candidate(path, node.tensors(), module=node)
    if isinstance(value, Stub) and value.name == "builtins.getattr" and value.arguments:
        return _bound(path, value)
    named = dict(_inner(value)) if isinstance(value, (dict, list, tuple)) or _is_dict(value) else {}
    tensors = {name: info for name, info in named.items() if isinstance(info, TensorInfo)}
    if not tensors or _is_optimizer_state(path):
        return None
    state = getattr(value, "state", None)
    metadata = state.get("_metadata") if isinstance(state, dict) else None
    return Candidate(path, tensors, metadata if isinstance(metadata, dict) else {}, note=_unread(named))


def _unread(named: Mapping[str, Any]) -> str:
    """Which of these values are tensors that are not listed: of a class that puts itself together."""
    names = [name for name, value in named.items() if isinstance(value, Stub) and value.name.startswith(_REBUILDERS)]
    if not names:
        return ""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    shown = ", ".join(repr(short(name, 60)) for name in names[:3])
    return f"Not listed, since only code of their own class can put them together: the tensors {shown}{more}."


def _bound(path: str, stub: Stub) -> Candidate | None:
    """`model.state_dict` saved without its parentheses: a method, pickled with the whole model."""
    owner = stub.arguments[0]
    if not modules.is_module(owner):
        return None
    node = modules.tree(owner)
    method = str(stub.arguments[1]) if len(stub.arguments) > 1 else "method"
    note = f"The file holds the method {method}, saved without its parentheses; the weights are of the model it is of."
    return Candidate(path, node.tensors(), module=node, note=note)


def _inner(value: Any) -> Iterable[tuple[str, Any]]:
    """What a value holds, by name or number."""
    if isinstance(value, dict):
        return [(str(name), child) for name, child in value.items()]
    if isinstance(value, (list, tuple)):
        return [(str(number), child) for number, child in enumerate(value)]
    if isinstance(value, Stub) and not value.name.startswith(_REBUILDERS):
        state = value.state if isinstance(value.state, dict) else {}
        named = [(str(name), child) for name, child in [*state.items(), *value.pairs]]
        return named or [("", child) for child in children(value)]
    return []


def _is_dict(value: Any) -> bool:
    """Whether an object was a dict of a class of its own."""
    return isinstance(value, Stub) and bool(value.pairs)


def _is_optimizer_state(path: str) -> bool:
    parts = path.lower().split(".")
    return any(word in part for part in parts for word in _BESIDE)


def _rank(candidate: Candidate) -> tuple[bool, bool, bool, int, int, int]:
    """What has tensors before what has none, weights before other tensors, a model before averages; by usual names."""
    parts = candidate.path.lower().split(".") if candidate.path else []
    averaged = any(word in part for part in parts for word in _AVERAGED)
    last = parts[-1] if parts else ""
    usual = PREFERRED.index(last) if last in PREFERRED else len(PREFERRED)
    count = len(candidate.tensors)
    few = 1 if count < 3 else 0
    return not count, candidate.beside, averaged, few, 0 if not parts and not few else usual + 1, -count
