"""A structure as single facts: classes, shapes, attributes, ties; two structures are equal where all of these are."""

from collections.abc import Iterator, Mapping
from functools import partial
from math import isfinite
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

Fact = tuple[str, str]
"""A module's or a tensor's path, and what the fact says of it."""
Facts = Mapping[Fact, Any]

_OWN = frozenset(vars(nn.Module()))
"""What every module has, such as its hooks."""
CLASS, CHILDREN, SAME_AS = "class", "children", "same as"
MODE = "."
"""How the names of attributes begin, which no other fact's does."""


def facts(model: nn.Module) -> dict[Fact, Any]:
    """All that makes up the structure of a model, but for whether it is in train mode.

    What code cannot say, such as the values of a tensor that no state_dict has, equals nothing, not even itself.
    """
    found: dict[Fact, Any] = {}
    first: dict[int, str] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if id(module) in first:
            found[path, SAME_AS] = first[id(module)]
            continue
        first[id(module)] = path
        found[path, CLASS] = type(module)
        found[path, CHILDREN] = tuple((name, child is None) for name, child in module._modules.items())
        found.update(_tensors(path, module, first))
        own = {id(tensor): name for name, tensor in module._parameters.items() if tensor is not None}
        for name, value in vars(module).items():
            if name not in _OWN:
                found[path, MODE + name] = comparable(value, own)
    return found


def differing(ours: Facts, theirs: Facts) -> list[Fact]:
    """Which facts are others in `theirs`. What only `ours` has set does not count where `theirs` runs without it."""
    found = [key for key, value in theirs.items() if key not in ours or ours[key] != value]
    return found + [key for key in ours if key not in theirs and not _unread(key, ours, theirs)]


def comparable(value: Any, own: Mapping[int, str] | None = None) -> Any:
    """The value of an attribute as something that equals only what code would write alike.

    own: names of parameters of the module by id, which it may keep in lists besides.
    """
    if isinstance(value, Tensor) and own and id(value) in own:
        return Tensor, own[id(value)]
    if isinstance(value, ref):
        return ref, comparable(value(), own)
    if isinstance(value, float) and not isfinite(value):
        return object()  # which has no literal
    if value is None or isinstance(value, bool | int | float | str):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), tuple(comparable(each, own) for each in value)
    if isinstance(value, dict):
        return dict, tuple((comparable(key), comparable(each, own)) for key, each in value.items())
    if isinstance(value, partial):
        return partial, value.func, comparable(dict(value.keywords)), comparable(value.args)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return value
    if isinstance(value, Tensor) or not hasattr(value, "__dict__"):
        return object()
    return type(value), comparable(vars(value))


def structural(fact: Fact) -> bool:
    """Whether arguments decide a fact; statements change which kind of numbers a tensor has, and whether it learns."""
    return fact[1] not in ("dtype", "learns")


def _tensors(path: str, module: nn.Module, first: dict[int, str]) -> Iterator[tuple[Fact, Any]]:
    """Of the module's own parameters and buffers: their order, and each one's sizes and kind."""
    for kind, tensors in (("parameters", module._parameters), ("buffers", module._buffers)):
        yield (path, kind), tuple((name, tensor is None) for name, tensor in tensors.items())
        for name, tensor in tensors.items():
            if tensor is None:
                continue
            here = f"{path}.{name}".lstrip(".")
            if id(tensor) in first:
                yield (here, SAME_AS), first[id(tensor)]
                continue
            first[id(tensor)] = here
            yield (here, "dtype"), tensor.dtype
            yield (here, "axes"), tensor.dim()
            yield (here, "learns"), tensor.requires_grad
            yield from (((here, f"axis {axis}"), (int, size)) for axis, size in enumerate(tensor.shape))
            if name in module._non_persistent_buffers_set:
                yield (here, "unsaved"), object()


def _unread(key: Fact, ours: Facts, theirs: Facts) -> bool:
    """Whether a fact that only `ours` has is an attribute which the others' class does without."""
    path, name = key
    if not name.startswith(MODE):
        return False
    own = getattr(theirs.get((path, CLASS)), name[len(MODE) :], None)
    return own is None or comparable(own) == ours[key]


def floats(model: nn.Module) -> set[torch.dtype]:
    """The kinds of numbers that its parameters and buffers hold, but whole ones."""
    tensors = (*model.parameters(), *model.buffers())
    return {tensor.dtype for tensor in tensors if tensor.is_floating_point() or tensor.is_complex()}
