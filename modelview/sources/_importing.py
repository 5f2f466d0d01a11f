"""Functions of other people's packages: which may be imported here, and what they take. Nothing else is imported."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from threading import Lock
from typing import Any

from modelview.errors import EditError, UnknownName
from modelview.names import short, unknown
from modelview.sources._calling import complaining
from modelview.sources._signatures import keywords_through

SETTING = "MODELVIEW_FACTORIES"
"""The environment variable that names what the operator allows, with commas between."""

_allowed: set[str] = set()
_lock = Lock()


def allow(spec: str) -> None:
    """Let this process import and call `spec`: for who may run code here anyway."""
    with _lock:
        _allowed.add(spec)


def operators() -> tuple[str, ...]:
    """What the operator allows by MODELVIEW_FACTORIES, in that order."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, os.environ.get(SETTING, "").split(",")))))


def require_allowed(spec: str) -> None:
    """Raises EditError unless `spec` was allowed."""
    if spec not in _allowed and spec not in operators():
        raise EditError(
            f"This model comes from the factory {short(spec)!r}, code that nobody allowed here. If you trust it, "
            f"mv.open({short(spec)!r}) first, or set {SETTING}={short(spec)} in the environment."
        )


def function_of(spec: str) -> Callable[..., object]:
    """The function itself, its module imported. Raises EditError, UnknownName."""
    module, _, name = spec.partition(":")
    holder = _imported(module)
    with complaining(f"Looking for {spec} failed", package=module.partition(".")[0]):
        found = getattr(holder, name, None)
    if callable(found):
        function: Callable[..., object] = found
        return function
    if found is not None:
        raise EditError(f"{spec} is {short(repr(type(found).__name__))}, nothing that could be called.")
    own = [n for n, value in vars(holder).items() if callable(value) and not n.startswith("_")]
    raise unknown(f"function of {module}", name, own)


def _imported(name: str) -> Any:
    try:
        with complaining(f"Importing {name} failed", package=name.partition(".")[0]):
            return import_module(name)
    except EditError as error:
        missing = getattr(error.__cause__, "name", None)
        if not isinstance(error.__cause__, ModuleNotFoundError) or missing is None:
            raise
        raise _absent(name, missing) from error.__cause__


def _absent(name: str, missing: str) -> EditError:
    """The error for a module that is not there: the one that was named, or one that it needs."""
    if not f"{name}.".startswith(f"{missing}."):
        return EditError(f"{name} needs {missing!r}, which is not installed in this environment.")
    package, _, own = missing.rpartition(".")
    inside = getattr(sys.modules.get(package), "__path__", None)
    if inside is not None:
        return unknown(f"module of {package}", own, [module.name for module in iter_modules(inside)])
    return UnknownName(
        f"There is no module {missing!r} on Python's path: start in the folder that it lies in, or name that folder "
        "in PYTHONPATH."
    )


def require_fit(spec: str, function: Callable[..., object], keywords: Mapping[str, object]) -> None:
    """Raises EditError for keywords that the function does not take, and for those it cannot do without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # written in C: it says so itself when it is called
        return
    named = {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    known = {**named, **keywords_through(function)}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for keyword in keywords:
            if keyword not in known:
                raise not_taken(spec, keyword, known)
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in keywords:
            raise EditError(f'{spec} needs {name!r}: give it as a keyword, mv.open("{spec}", {name}=...).')


def not_taken(name: str, keyword: str, known: Mapping[str, object]) -> UnknownName:
    """The error for a keyword that is not taken, with the nearest, and all of them where none is near."""
    error = unknown(f"keyword of {name}", keyword, known)
    if known and not error.nearest:
        return UnknownName(f"{name} takes no keyword {short(keyword)!r}. It takes {short(', '.join(known), 200)}.")
    return error
