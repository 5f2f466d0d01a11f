"""What else is in a file, as short texts."""

import struct
from collections.abc import Iterable
from typing import Any

from modelview.checkpoints import modules
from modelview.checkpoints.graph import Blob
from modelview.checkpoints.records import Global, Stub, TensorInfo
from modelview.names import short
from modelview.wording import counted

MOST = 300
MOST_ITEMS = 8
_DEEPEST = 2
"""So far down dicts in dicts are written out; below they are counted."""
_SCALARS = (bool, int, float, complex, str, type(None))
_PACKED = {"f8": "<d", "f4": "<f", "f2": "<e", "i8": "<q", "i4": "<i", "i2": "<h", "i1": "<b", "u1": "<B", "b1": "<?"}
"""How a number of NumPy's is stored, by its dtype."""
_BY_SETTINGS = (
    ({"ns_steps"}, "Muon"),
    ({"momentum_decay"}, "NAdam"),
    ({"amsgrad"}, "Adam"),
    ({"nesterov"}, "SGD"),
    ({"decoupled_weight_decay", "betas"}, "RAdam"),
    ({"step_sizes", "etas"}, "Rprop"),
    ({"lambd", "t0"}, "ASGD"),
    ({"beta2_decay"}, "Adafactor"),
    ({"centered"}, "RMSprop"),
    ({"lr_decay"}, "Adagrad"),
    ({"rho", "eps"}, "Adadelta"),
)
"""Torch's own optimizers, by what each of their groups is set to."""
_BY_STATE = (
    ({"exp_avg", "exp_inf"}, "Adamax"),
    ({"exp_avg", "exp_avg_sq"}, "Adam or AdamW"),
    ({"square_avg"}, "RMSprop"),
    ({"sum"}, "Adagrad"),
    ({"exp_avg"}, "Lion"),
    ({"momentum_buffer"}, "SGD with momentum"),
)
"""Others, by what they keep of each parameter."""
_RATES = ("lr", "weight_decay", "momentum", "betas", "eps")


def extras(root: Any, path: str) -> dict[str, str]:
    """Everything but the weights at `path`, each as one short line: at the top level, and on the way down to them."""
    found: dict[str, str] = {}
    level, rest, above = root, path, ""
    while isinstance(level, dict):
        below = next((name for name in level if rest and f"{rest}.".startswith(f"{name}.")), None)
        for name, value in level.items():
            if name is not below and (rest or not isinstance(value, TensorInfo)):
                found[short(f"{above}{name}")] = text(value)
        level, rest, above = level.get(below), rest[len(str(below)) + 1 :], f"{above}{below}."
    return found


def text(value: Any, depth: int = 0) -> str:
    """One value in at most `MOST` characters. depth: of dicts that it is in."""
    if isinstance(value, _SCALARS):
        return short(str(value), MOST)
    if isinstance(value, TensorInfo):
        return f"tensor {' × '.join(map(str, value.shape)) or 'scalar'} {value.dtype}"
    if isinstance(value, dict):
        if {"state", "param_groups"} <= value.keys():
            return _optimizer(value)
        return _pairs(value.items(), len(value), depth) or counted(len(value), "entry", "entries")
    if isinstance(value, (list, tuple)):
        return _items(value)
    if isinstance(value, Blob):
        return f"{value.size:,} bytes"
    if isinstance(value, Global):
        return short(value.name, MOST)
    if isinstance(value, Stub):
        return _object(value, depth)
    return type(value).__name__


def _pairs(items: Iterable[tuple[Any, Any]], count: int, depth: int) -> str:
    """Names and values; tensors only by number, "" where it goes too deep."""
    items = list(items)[:MOST_ITEMS]
    if items and all(isinstance(value, TensorInfo) for _, value in items):
        return counted(count, "tensor")
    if depth >= _DEEPEST or not items:
        return ""
    shown = ", ".join(f"{short(str(name), 40)} = {_value(value, depth + 1)}" for name, value in items)
    return short(shown + (f", … ({count:,} in all)" if count > len(items) else ""), MOST)


def _value(value: Any, depth: int) -> str:
    """A value beside its name, in marks where it is several."""
    shown = short(text(value, depth), 60)
    if isinstance(value, dict) and " = " in shown:
        return f"{{{shown}}}"
    return f"[{shown}]" if isinstance(value, (list, tuple)) and ", " in shown else shown


def _items(value: Any) -> str:
    if len(value) <= MOST_ITEMS and all(isinstance(inner, _SCALARS) for inner in value):
        return short(", ".join(map(str, value)) or "none", MOST)
    return counted(len(value), "item")


def _object(stub: Stub, depth: int) -> str:
    """An object of a class that was not imported: its class, what it was made with, and its plain attributes."""
    if modules.is_module(stub):
        return f"a module, {short(stub.name, 80)}"
    plain = all(isinstance(each, _SCALARS) for each in stub.arguments)
    if stub.name == "torch.device" and plain:
        return short(":".join(map(str, stub.arguments)), MOST)
    if stub.name.endswith(".multiarray.scalar") and (number := _number(stub)):
        return number
    state = stub.state if isinstance(stub.state, dict) else {}
    held = [*state.items(), *stub.pairs]
    shown = _pairs(held, len(held), depth)
    if not held and stub.arguments and plain and stub.name.rpartition(".")[2][:1].isupper():
        shown = _items(stub.arguments)
    return short(f"{stub.name} ({shown})" if shown else stub.name, MOST)


def _number(stub: Stub) -> str:
    """A number of NumPy's, from its bytes; "" for other things it can be."""
    kind, content = (*stub.arguments, None, None)[:2]
    name = str(kind.arguments[0]) if isinstance(kind, Stub) and kind.arguments else ""
    layout = _PACKED.get(name, "")
    fits = isinstance(content, bytes) and layout and len(content) == struct.calcsize(layout)
    return str(struct.unpack(layout, content)[0]) if fits else ""


def _optimizer(value: dict[Any, Any]) -> str:
    """An optimizer's state_dict: its kind as far as it tells, its groups, their settings."""
    state = value["state"] if isinstance(value["state"], dict) else {}
    listed = value["param_groups"] if isinstance(value["param_groups"], list) else []
    groups = [group for group in listed if isinstance(group, dict)]
    kept = next((inner for inner in state.values() if isinstance(inner, dict)), {})
    kind = _kind(groups[0] if groups else {}, {str(name) for name, inner in kept.items() if inner is not None})
    rates = {name: dict.fromkeys(_setting(group[name]) for group in groups if name in group) for name in _RATES}
    shown = ", ".join(f"{name} {' and '.join([*different][:4])}" for name, different in rates.items() if different)
    many = counted(len(listed), "group")
    return short(f"{kind}: {many}{f' ({shown})' if shown else ''}, state of {len(state):,} parameters", MOST)


def _setting(value: Any) -> str:
    """A number or a few; what else may stand there is not looked into."""
    return text(value) if isinstance(value, (*_SCALARS, list, tuple, TensorInfo)) else type(value).__name__


def _kind(settings: dict[Any, Any], kept: set[str]) -> str:
    known = next((name for marks, name in _BY_SETTINGS if marks <= settings.keys()), "")
    if known == "Adam":
        decoupled = settings.get("decoupled_weight_decay")
        known = "Adam or AdamW" if decoupled is None else "AdamW" if decoupled else "Adam"
        return f"{known} (amsgrad)" if settings["amsgrad"] is True else known
    if known == "SGD" and settings.get("momentum"):
        return "SGD with momentum"
    return known or next((name for marks, name in _BY_STATE if marks <= kept), "optimizer")
