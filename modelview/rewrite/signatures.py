"""What a forward takes, be it a class's own or one that was made here."""

import ast
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


def optional(kind: type[nn.Module]) -> list[Parameter]:
    """Those that may be left out, in order; without `*args` and the like, and what has no default that code can say."""
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return [p for p in parameters(kind) if p.default is not p.empty and p.kind in named and _is_literal(p.default)]


def extended(kind: type[nn.Module], inputs: Iterable[str]) -> list[Parameter]:
    """What its forward takes once it has further `inputs`: they stand between what must be given and what may be."""
    own, rest = needed(kind), optional(kind)
    more = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=Tensor) for name in inputs]
    if len(own) < len(parameters(kind)):  # such a model takes more than tensors
        own, rest = ([p.replace(annotation=Any) for p in some] for some in (own, rest))
    return [*own, *more, *rest]


def sign(forward: Callable[..., Any], base: type[nn.Module], inputs: Iterable[str] = ()) -> None:
    """Have `forward`, which runs that of `base` with hooks, say what it takes: the same, and further inputs.

    inputs: those, by name.
    """
    inputs = tuple(inputs)
    taken = extended(base, inputs) if inputs else parameters(base)
    self = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    forward.__signature__ = Signature([self, *taken])  # type: ignore[attr-defined]
    _MADE.add(forward)


def runs_hooks(kind: type[nn.Module]) -> bool:
    """Whether its forward runs another one with hooks, which a recording would not see."""
    return kind.forward in _MADE


def _is_literal(value: Any) -> bool:
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        return False
    return True
