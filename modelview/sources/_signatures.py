"""The keywords that reach somewhere through a function's `**kwargs`, read from its source; nothing is called."""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter
from textwrap import dedent
from typing import Any

POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class _Forwarding:
    """A call that hands on `**kwargs`: to whom, with how many positional arguments and which keywords."""

    callee: Any
    n_positional: int
    keywords: frozenset[str]


def keywords_through(function: Callable[..., Any]) -> dict[str, Parameter]:
    """What may be given to `function` by name, and what it hands on to others, by name.

    A keyword that the function gives on the way itself is not among them.

    >>> from torchvision import models
    >>> list(keywords_through(models.mobilenet_v3_small))[:5]
    ['weights', 'progress', 'width_mult', 'reduced_tail', 'dilated']
    """
    return _through(inspect.unwrap(function), 0)


def _through(function: Any, n_given: int) -> dict[str, Parameter]:
    own = _own(function)
    if own is None:
        return {}
    parameters = list(inspect.signature(own).parameters.values())[inspect.isclass(function) :]
    positional = [p for p in parameters if p.kind in POSITIONAL]
    extra = max(0, n_given - len(positional))
    named = positional[n_given:] + [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    found = {p.name: p for p in named}
    rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
    if rest is None:
        return found
    popped = _popped(own, rest)
    for call in _forwardings(function, own, rest, extra):
        for name, parameter in _through(call.callee, call.n_positional).items():
            if name in popped:
                popped[name] = parameter.replace(kind=Parameter.KEYWORD_ONLY, default=popped[name].default)
            elif name not in call.keywords:
                found.setdefault(name, parameter)
    return {**found, **popped}


def _own(function: Any) -> Any:
    """The function that runs: of a class, the first `__init__` of its bases that is written in Python."""
    if not inspect.isclass(function):
        return inspect.unwrap(function) if inspect.isfunction(function) else None
    inits = (cls.__dict__.get("__init__") for cls in function.__mro__)
    return next((init for init in inits if inspect.isfunction(init)), None)


@lru_cache(maxsize=512)
def _tree(function: Any) -> ast.Module:
    try:
        return ast.parse(dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source at hand: then only the signature is known
        return ast.parse("")


def _popped(function: Any, rest: str) -> dict[str, Parameter]:
    """What is taken out of `**kwargs` by `kwargs.pop("name", default)`."""
    found = {}
    for call in _calls(function):
        if ast.unparse(call.func) == f"{rest}.pop" and len(call.args) == 2:
            name, default = (_literal(argument) for argument in call.args)
            found[str(name)] = Parameter(str(name), Parameter.KEYWORD_ONLY, default=default)
    return found


def _literal(node: ast.expr) -> Any:
    """Its value where it is written out, else None."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _forwardings(function: Any, own: Any, rest: str, extra: int) -> Iterator[_Forwarding]:
    for call in _calls(own):
        handed = [k.value for k in call.keywords if k.arg is None]
        if any(isinstance(value, ast.Name) and value.id == rest for value in handed):
            starred = sum(isinstance(a, ast.Starred) for a in call.args)
            given = frozenset(k.arg for k in call.keywords if k.arg is not None)
            n_positional = len(call.args) - starred + (extra if starred else 0)
            yield _Forwarding(_resolved(call.func, function, own), n_positional, given)


def _calls(function: Any) -> Iterator[ast.Call]:
    return (node for node in ast.walk(_tree(function)) if isinstance(node, ast.Call))


def _resolved(node: ast.expr, function: Any, own: Any) -> Any:
    """What a name or a dotted name stands for; `super().__init__` is the next class."""
    if ast.unparse(node) == "super().__init__" and inspect.isclass(function):
        mro = function.__mro__
        at = next(n for n, cls in enumerate(mro) if cls.__dict__.get("__init__") is own)
        return mro[at + 1]
    if isinstance(node, ast.Attribute):
        return getattr(_resolved(node.value, function, own), node.attr, None)
    return own.__globals__.get(node.id) if isinstance(node, ast.Name) else None
