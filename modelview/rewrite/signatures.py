"""What a forward takes, be it a class's own or one that was made here."""

import inspect
from collections.abc import Callable, Iterable
from inspect import Parameter, Signature
from typing import Any
from weakref import WeakSet

from torch import Tensor, nn

_MADE: WeakSet[Callable[..., Any]] = WeakSet()
"""Forwards that run another one with hooks."""


def parameters(kind: type[nn.Module]) -> list[Parameter]:
    """What the forward of the class takes, without self."""
    _, *found = inspect.signature(inspect.unwrap(kind.forward)).parameters.values()
    return found


def needed(kind: type[nn.Module]) -> list[Parameter]:
    """Those of its parameters that must be given, in order."""
    return [p for p in parameters(kind) if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def sign(forward: Callable[..., Any], base: type[nn.Module], inputs: Iterable[str] = ()) -> None:
    """Have `forward`, which runs that of `base` with hooks, say what it takes: the same, or what it must and more.

    inputs: that more, by name.
    """
    own = parameters(base)
    more = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=Tensor) for name in inputs]
    if more:
        may_be_left = len(needed(base)) < len(own)  # such a model takes more than tensors
        own = [p.replace(annotation=Any) if may_be_left else p for p in needed(base)]
    self = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    forward.__signature__ = Signature([self, *own, *more])  # type: ignore[attr-defined]
    _MADE.add(forward)


def runs_hooks(kind: type[nn.Module]) -> bool:
    """Whether its forward runs another one with hooks, which a recording would not see."""
    return kind.forward in _MADE
