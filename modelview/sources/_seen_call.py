"""What a builder of torchvision calls its class with, seen while it does, and written as a recipe writes it."""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import CodeType, FrameType
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.script import quoted
from modelview.sources._builders import model_class
from modelview.sources._class_arguments import canonical, class_called, parameters
from modelview.sources._class_calls import called, written
from modelview.sources._construct import on_meta
from modelview.sources._difference import compared
from modelview.sources._keywords import Keywords
from modelview.sources._making import on_meta as made_on_meta
from modelview.sources._vocabulary import vocabulary

MOST_CHARACTERS = 600
"""Of the arguments. Those of an EfficientNet are fewer, sixteen blocks of an MViT are more."""


class _Unsayable(Exception):
    """A value that no expression makes, such as a module."""


@lru_cache(maxsize=256)
def seen_call(builder: str, keywords: Keywords) -> Keywords | None:
    """What the builder's class is called with to make what the builder makes; None where that cannot be written.

    None also where it would be too long to be read. What is found is believed only where the class, called so, makes
    the same structure.
    """
    name = model_class(builder).__name__
    built, arguments = _seen(class_called(name), partial(on_meta, builder, None, dict(keywords)))
    try:
        found = _said(name, arguments)
        made = made_on_meta(name, partial(called, name, found, init=False))
    except (_Unsayable, EditError):
        return None
    is_short = sum(map(len, written(name, found).values())) <= MOST_CHARACTERS
    return found if is_short and compared(made, built).cost == 0 else None


def _seen(cls: type[nn.Module], make: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Any]]:
    """What `make` makes, and what the constructor of `cls` was given on the way, by its parameters.

    A profiler watches this thread alone, so that no class is touched.
    """
    inits = [vars(kind).get("__init__") for kind in cls.__mro__ if kind is not nn.Module]
    codes: set[CodeType] = {init.__code__ for init in inits if inspect.isfunction(init)}
    found: dict[str, Any] = {}

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes and type(frame.f_locals.get("self")) is cls:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        return make(), found
    finally:
        sys.setprofile(before)


def _said(name: str, arguments: Mapping[str, Any]) -> Keywords:
    found = []
    for key, parameter in parameters(name).items():
        value = arguments.get(key, parameter.default)
        if value is not parameter.default and value != parameter.default and key != "init_weights":
            plain = _frozen(value)
            text = _text(value, name) if plain is None else plain
            found.append((key, canonical(parameter, text, name)))
    return tuple(found)


def _frozen(value: Any) -> Any:
    """A plain value as keywords hold it; None for what has to be written as Python."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        inner = [_frozen(each) for each in value]
        return tuple(inner) if None not in inner and not any(isinstance(each, str) for each in inner) else None
    return None


def _text(value: Any, name: str) -> str:
    """A value as Python. Raises _Unsayable."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        inner = ", ".join(_text(each, name) for each in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if isinstance(value, type):
        return _word(value, name)
    if isinstance(value, partial):
        given = [_text(each, name) for each in (value.func, *value.args)]
        return f"partial({', '.join([*given, *(f'{k}={_text(v, name)}' for k, v in value.keywords.items())])})"
    return _setting(value, name)


def _word(cls: type, name: str) -> str:
    words = vocabulary(class_called(name).__module__)
    found = next((word.text for word in words.values() if word.value is cls), None)
    if found is None:
        raise _Unsayable(cls.__name__)
    return found


def _setting(value: Any, name: str) -> str:
    """An object of plain attributes as the call that makes it: each parameter is an attribute of the same name."""
    cls = type(value)
    word = _word(cls, name)
    if isinstance(value, nn.Module):
        raise _Unsayable(cls.__name__)
    given: dict[str, Any] = {}
    for key, parameter in inspect.signature(cls).parameters.items():
        if hasattr(value, key):
            given[key] = getattr(value, key)
        elif parameter.default is parameter.empty:
            raise _Unsayable(key)
    for key in reversed(list(given)):  # what is not needed to make the same is not said
        fewer = {k: v for k, v in given.items() if k != key}
        if _makes(cls, fewer, value):
            given = fewer
    needed = [k for k, p in inspect.signature(cls).parameters.items() if p.default is p.empty]
    shown = [_text(given[key], name) for key in needed]
    shown += [f"{key}={_text(each, name)}" for key, each in given.items() if key not in needed]
    return f"{word}({', '.join(shown)})"


def _makes(cls: type, given: Mapping[str, Any], value: Any) -> bool:
    try:
        return bool(vars(cls(**given)) == vars(value))
    except (TypeError, ValueError):
        return False
