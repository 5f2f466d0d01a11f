"""The keywords of a torchvision model: which have an effect, which values they take, and what is refused."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from modelview.errors import EditError
from modelview.names import short
from modelview.sources._builders import OURS, declared, task

Keywords = tuple[tuple[str, object], ...]

SIMPLE: tuple[type, ...] = (bool, int, float, str)


@dataclass(frozen=True)
class Keyword:
    """One keyword of a builder or class. kind: the type of its values; choices: all of them, where they are few.

    required: it has no default. example: what a form begins with where that is more than its default.
    """

    name: str
    default: object
    kind: str
    choices: tuple[object, ...] = ()
    required: bool = False
    example: Any = None


def checked(name: str, keywords: Mapping[str, object], takes: Mapping[str, inspect.Parameter]) -> Keywords:
    """The keywords sorted, their lists as tuples. takes: what the builder or class declares.

    Raises EditError for what it could not take.
    """
    for keyword, value in keywords.items():
        if keyword in OURS:
            hint = "weights is given beside the keywords" if keyword == "weights" else "modelview sets it"
            raise EditError(f"{keyword!r} is no keyword of {name}: {hint}.")
        if not _is_plain(value):
            raise EditError(f"{name} is opened with plain values; {keyword}={short(repr(value))} is not one.")
        if keyword == "num_classes":
            require_classes(value)
        if type(value) is not bool and _is_switch(takes, keyword):
            raise EditError(f"{keyword} of {name} is True or False; got {short(repr(value))}.")
        if keyword == "quantize" and task(name) == "quantizable" and value:
            raise EditError(
                "quantize=True packs the weights into integers that cannot be shown or edited; leave it out."
            )
    return tuple(sorted((keyword, _frozen(value)) for keyword, value in keywords.items()))


def _is_switch(takes: Mapping[str, inspect.Parameter], keyword: str) -> bool:
    """Whether the keyword is on or off; the builders take any other value for on without a word."""
    parameter = takes.get(keyword)
    return parameter is not None and bool in _alternatives(parameter.annotation)


def require_classes(value: object) -> None:
    """Raises EditError unless `value` is a number of classes."""
    if type(value) is not int or value < 1:
        raise EditError(f"num_classes is a whole number from 1 up; got {short(repr(value))}.")


def refuse_ignored(name: str, keywords: Mapping[str, object]) -> None:
    """Raises EditError for keywords that have no meaning, which some builders swallow without a word."""
    for keyword in keywords:
        if keyword not in declared(name):
            raise not_taken(name, keyword)


def not_taken(name: str, keyword: str) -> EditError:
    """The error for a keyword that the model does not take, with those that it does."""
    taken = ", ".join(row.name for row in keywords_of(name))
    return EditError(f"{name} takes no keyword {short(keyword)!r}." + (f" It takes {taken}." if taken else ""))


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in (int, bool, str)


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, tuple | list) else value


def keywords_of(name: str) -> tuple[Keyword, ...]:
    """Everything that may be set with plain values, for a form. Raises UnknownName."""
    return tuple(row for parameter in declared(name).values() if (row := keyword(parameter)) is not None)


def keyword(parameter: inspect.Parameter) -> Keyword | None:
    """The parameter as a keyword; None for what takes a module, a function or the like, and for what is refused."""
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    kinds = [kind for kind in _alternatives(parameter.annotation) if kind is not type(None)]
    if parameter.name == "quantize":
        return None
    if parameter.name == "weights_backbone":
        return Keyword(parameter.name, None, "str", (None, *(member.name for member in kinds[0])))
    kind = next((k for k in SIMPLE if k in kinds or (not kinds and type(default) is k)), None)
    if kind is None and (any(map(_is_row, kinds)) or (not kinds and isinstance(default, tuple | list))):
        kind = tuple
    if kind is None:
        return None
    return Keyword(parameter.name, _frozen(default), kind.__name__, (False, True) if kind is bool else (), required)


def _is_row(annotation: Any) -> bool:
    """Whether it is a list or tuple of simple values."""
    inner = set(get_args(annotation)) - {Ellipsis}
    return get_origin(annotation) in (tuple, list) and inner <= set(SIMPLE)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return ()
    return get_args(annotation) if type(None) in get_args(annotation) else (annotation,)
