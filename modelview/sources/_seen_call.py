"""What a builder of torchvision calls its class with, seen while it does, and written as a recipe writes it."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from modelview.sources._vocabulary import Word, vocabulary

MOST_CHARACTERS = 600
"""Of the arguments. Those of an EfficientNet are fewer, sixteen blocks of an MViT are more."""


class _Unsayable(Exception):
    """A value that no expression makes, such as a module that no call was seen to make."""


@lru_cache(maxsize=256)
def seen_call(builder: str, keywords: Keywords) -> Keywords | None:
    """What the builder's class is called with to make what the builder makes; None where that cannot be written.

    None also where it would be too long to be read. What is found is believed only where the class, called so, makes
    the same structure.
    """
    name = model_class(builder).__name__
    watch = _Watch(class_called(name))
    built = watch.during(partial(on_meta, builder, None, dict(keywords)))
    try:
        found = _said(name, watch)
        made = made_on_meta(name, partial(called, name, found, init=False))
    except (_Unsayable, EditError):
        return None
    is_short = sum(map(len, written(name, found).values())) <= MOST_CHARACTERS
    return found if is_short and compared(made, built).cost == 0 else None


@dataclass(frozen=True)
class _Call:
    """A call of what a word names, with its arguments by name, and what it gave."""

    word: Word
    arguments: Mapping[str, Any]
    gave: Any


class _Watch:
    """What the constructor of `cls` is given, by its parameters, in `arguments`; and what makes the modules in there.

    A profiler watches this thread alone, so that no class is touched.
    """

    def __init__(self, cls: type[nn.Module]) -> None:
        self.arguments: dict[str, Any] = {}
        self._cls = cls
        self._inits = {code for kind in cls.__mro__ if kind is not nn.Module for code in _codes(vars(kind))}
        self._words = {code: word for word in vocabulary(cls.__module__).values() for code in _makers(word)}
        self._running: dict[FrameType, dict[str, Any]] = {}
        self._made: dict[int, _Call] = {}

    def during(self, make: Callable[[], nn.Module]) -> nn.Module:
        """What `make` makes."""
        before = sys.getprofile()
        sys.setprofile(self._look)
        try:
            return make()
        finally:
            sys.setprofile(before)

    def maker(self, module: nn.Module) -> _Call | None:
        """The call that made the module, where one was seen that can be written."""
        return self._made.get(id(module))

    def _look(self, frame: FrameType, event: str, returned: Any) -> None:
        code = frame.f_code
        if event == "call" and code in self._inits and type(frame.f_locals.get("self")) is self._cls:
            self.arguments.update(frame.f_locals)
        elif event == "call" and code in self._words:
            self._running[frame] = dict(frame.f_locals)
        elif event == "return" and frame in self._running:
            self._note(self._words[code], self._running.pop(frame), returned)

    def _note(self, word: Word, arguments: dict[str, Any], returned: Any) -> None:
        """Keep what a call made: a function what it returns, a class one of its own, not of a class below it."""
        is_class = isinstance(word.value, type)
        gave = arguments.pop("self", None) if is_class else returned
        if isinstance(gave, nn.Module) and (not is_class or type(gave) is word.value):
            self._made[id(gave)] = _Call(word, arguments, gave)


def _codes(found: Mapping[str, Any]) -> list[CodeType]:
    init = found.get("__init__")
    return [init.__code__] if inspect.isfunction(init) else []


def _makers(word: Word) -> list[CodeType]:
    """The code that runs when what the word names is called to make a module."""
    if isinstance(word.value, type):
        return _codes(vars(word.value)) if issubclass(word.value, nn.Module) else []
    function = inspect.unwrap(word.value)
    return [function.__code__] if inspect.isfunction(function) else []


def _said(name: str, watch: _Watch) -> Keywords:
    found = []
    for key, parameter in parameters(name).items():
        value = watch.arguments.get(key, parameter.default)
        if value is not parameter.default and value != parameter.default and key != "init_weights":
            plain = _frozen(value)
            text = _text(value, name, watch) if plain is None else plain
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


def _text(value: Any, name: str, watch: _Watch) -> str:
    """A value as Python. Raises _Unsayable."""
    write = partial(_text, name=name, watch=watch)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{write(key)}: {write(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(write, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if isinstance(value, type):
        return _word(value, name)
    if isinstance(value, partial):
        return f"partial({', '.join([*map(write, (value.func, *value.args)), *_keywords(value.keywords, write)])})"
    if isinstance(value, nn.Module):
        return _module(value, watch, write)
    return _setting(value, name, write)


def _keywords(given: Mapping[str, Any], write: Callable[[Any], str]) -> list[str]:
    return [f"{key}={write(value)}" for key, value in given.items()]


def _module(module: nn.Module, watch: _Watch, write: Callable[[Any], str]) -> str:
    """A module as the call that made it, without what is the default."""
    call = watch.maker(module)
    if call is None:
        raise _Unsayable(type(module).__name__)
    shown: list[str] = []
    others: dict[str, Any] = {}
    for key, parameter in inspect.signature(inspect.unwrap(call.word.value)).parameters.items():
        value = call.arguments.get(key, parameter.default)
        if parameter.kind is parameter.VAR_KEYWORD:
            others |= call.arguments.get(key, {})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            shown += map(write, call.arguments.get(key, ()))
        elif parameter.default is parameter.empty:
            shown.append(write(value))
        elif value is not parameter.default and value != parameter.default:
            others[key] = value
    return f"{call.word.text}({', '.join([*shown, *_keywords(others, write)])})"


def _word(cls: type, name: str) -> str:
    words = vocabulary(class_called(name).__module__)
    found = next((word.text for word in words.values() if word.value is cls), None)
    if found is None:
        raise _Unsayable(cls.__name__)
    return found


def _setting(value: Any, name: str, write: Callable[[Any], str]) -> str:
    """An object of plain attributes as the call that makes it: each parameter is an attribute of the same name."""
    cls = type(value)
    word = _word(cls, name)
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
    others = {key: each for key, each in given.items() if key not in needed}
    return f"{word}({', '.join([*(write(given[key]) for key in needed), *_keywords(others, write)])})"


def _makes(cls: type, given: Mapping[str, Any], value: Any) -> bool:
    try:
        return bool(vars(cls(**given)) == vars(value))
    except (TypeError, ValueError):
        return False
