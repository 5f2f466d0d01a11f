"""The keywords of a torchvision model: which have an effect, which values they take, and what is refused."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args, get_origin

from modelview.errors import EditError
from modelview.meta import building
from modelview.names import short
from modelview.sources._builders import OURS, builder, declared, explicit, refused_keyword, task, without_backbone

Keywords = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Keyword:
    """One keyword of a builder. kind: the type of its values; choices: all of them, where they are few."""

    name: str
    default: object
    kind: str
    choices: tuple[object, ...] = ()


def checked(name: str, keywords: Mapping[str, object]) -> Keywords:
    """The keywords sorted, their lists as tuples. Raises EditError for what no builder could take."""
    for keyword, value in keywords.items():
        if keyword in OURS:
            hint = "weights is given beside the keywords" if keyword == "weights" else "modelview sets it"
            raise EditError(f"{keyword!r} is no keyword of {name}: {hint}.")
        if not _is_plain(value):
            raise EditError(f"{name} is opened with plain values; {keyword}={short(repr(value))} is not one.")
        if keyword == "num_classes":
            require_classes(value)
        if keyword == "quantize" and task(name) == "quantizable" and value:
            raise EditError(
                "quantize=True packs the weights into integers that cannot be shown or edited; leave it out."
            )
    return tuple(sorted((keyword, _frozen(value)) for keyword, value in keywords.items()))


def require_classes(value: object) -> None:
    """Raises EditError unless `value` is a number of classes."""
    if type(value) is not int or value < 1:
        raise EditError(f"num_classes is a whole number from 1 up; got {short(repr(value))}.")


def refuse_ignored(name: str, keywords: Mapping[str, object]) -> None:
    """Raises EditError for keywords that the builder swallows without any effect."""
    for keyword in keywords:
        if keyword not in explicit(name) and _ignores_unknown(name) and keyword not in accepted(name):
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


@lru_cache(maxsize=256)
def accepted(name: str) -> tuple[str, ...]:
    """The declared keywords that have an effect, found by trying each on meta; a moment the first time."""
    return tuple(k for k in declared(name) if k in explicit(name) or _has_effect(name, k))


def _has_effect(name: str, keyword: str) -> bool:
    """Whether a senseless value is noticed, and not because the builder gives the keyword itself."""
    try:
        with building():
            builder(name)(**{**without_backbone(name), keyword: _SENSELESS})
    except TypeError as error:
        return refused_keyword(error) is None
    except Exception:  # noqa: BLE001 - whatever it raises, it has noticed
        return True
    return not _ignores_unknown(name)


@lru_cache(maxsize=256)
def _ignores_unknown(name: str) -> bool:
    try:
        with building():
            builder(name)(**without_backbone(name), no_such_keyword=_SENSELESS)
    except TypeError:
        return False
    return True


class _Senseless:
    """A value that fits nowhere."""

    def __bool__(self) -> bool:
        raise ValueError("a senseless value was looked at")


_SENSELESS = _Senseless()


def keywords_of(name: str) -> tuple[Keyword, ...]:
    """Everything that may be set with plain values, for a form. Raises UnknownName."""
    parameters = declared(name)
    return tuple(row for k in accepted(name) if (row := _row(parameters[k])) is not None)


def _row(parameter: inspect.Parameter) -> Keyword | None:
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    kinds = [a for a in _alternatives(parameter.annotation) if a is not type(None)]
    if parameter.name == "weights_backbone":
        return Keyword(parameter.name, None, "str", (None, *kinds[0].__members__))
    simple: tuple[type, ...] = (bool, int, float, str)
    kind = next((k for k in simple if k in kinds or (not kinds and isinstance(default, k))), None)
    if kind is None and (isinstance(default, tuple) or any(get_origin(k) in (tuple, list) for k in kinds)):
        kind = tuple
    if kind is None:
        return None
    return Keyword(parameter.name, default, kind.__name__, (False, True) if kind is bool else ())


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return ()
    return get_args(annotation) if type(None) in get_args(annotation) else (annotation,)
