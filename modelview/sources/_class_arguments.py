"""What torchvision's model classes take: plain values, classes by name, and objects that are written as Python."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from inspect import Parameter
from types import NoneType
from typing import Any, get_args, get_origin

from torch import nn

from modelview.errors import EditError
from modelview.layers import KNOWN
from modelview.names import short, unknown
from modelview.sources import _builders
from modelview.sources._class_examples import EXAMPLES
from modelview.sources._expressions import Called, Expression, Literal, Named
from modelview.sources._keywords import SIMPLE, Keyword, keyword
from modelview.sources._making import require_number
from modelview.sources._reading import parsed
from modelview.sources._signatures import keywords_through
from modelview.sources._vocabulary import vocabulary

FEW = 4
"""So many classes are named one by one where one of them is to be given."""
MOST_IN_LIST = 100_000
"""Numbers in lists are layers and widths; a larger one is a slip that would take minutes to fail."""


@lru_cache(maxsize=1)
def classes() -> Mapping[str, type[nn.Module]]:
    """Every class that torchvision's builders make, by its name."""
    made = {_builders.model_class(name) for name in _builders.names()}
    return {cls.__name__: cls for cls in sorted(made, key=lambda cls: cls.__name__)}


def class_called(name: str) -> type[nn.Module]:
    """The class of that name. Raises UnknownName."""
    if name not in classes():
        raise unknown("torchvision class", name, classes())
    return classes()[name]


@lru_cache(maxsize=64)
def builder_of(name: str) -> str:
    """The first of torchvision's models that are of the class of that name."""
    return next(each for each in _builders.names() if _builders.model_class(each) is class_called(name))


def parameters(name: str) -> Mapping[str, Parameter]:
    """What can be said to the class of that name. Raises UnknownName."""
    return {k: p for k, p in keywords_through(class_called(name)).items() if not k.startswith("_")}


def form_row(parameter: Parameter, name: str) -> Keyword:
    """The parameter of the class `name` for a form: a class is given by its name, an object as Python."""
    required = parameter.default is Parameter.empty
    example = EXAMPLES.get(name, {}).get(parameter.name)
    if _takes_class(parameter):
        known = tuple(_classes(parameter, name))
        return Keyword(parameter.name, None, "class", known if len(known) <= FEW else (), required, example)
    if row := keyword(parameter):
        return replace(row, example=example)
    kind = type(example).__name__ if type(example) in SIMPLE and not isinstance(example, str) else "code"
    return Keyword(parameter.name, None, kind, (), required, example)


def canonical(parameter: Parameter, value: Any, name: str) -> Any:
    """The value in one form: text that is written as Python in one spelling, what is plain as itself.

    Raises UnknownName, EditError for what the class `name` cannot take.
    """
    found = expression(parameter, value, name)
    if found is None:
        if value is not None:
            _require_plain(parameter, value, name)
        return value
    _require_class(parameter, found, name)
    return found.given if isinstance(found, Literal) and not isinstance(found.given, str) else found.text


def expression(parameter: Parameter, value: Any, name: str) -> Expression | None:
    """What a text stands for, or a list, which may hold texts; None where a value is itself. Raises as `canonical`."""
    if not _takes_class(parameter) and _takes_plain(parameter.annotation):
        return None
    if isinstance(value, list | tuple) and not _takes_class(parameter):
        value = f"[{', '.join(each if isinstance(each, str) else repr(each) for each in value)}]"
    if not isinstance(value, str):
        return None
    if _takes_class(parameter) and value.isidentifier():
        known = _classes(parameter, name)
        if value not in known:
            raise unknown(f"class for {parameter.name}", value, known)
    return parsed(parameter.name, value, vocabulary(class_called(name).__module__))


def given(parameter: Parameter, value: Any, name: str) -> Any:
    """What the class is called with: objects made anew, a list where it declares one. Raises as `canonical`."""
    found = expression(parameter, value, name)
    if found is None:
        return _listed(value, parameter.annotation)
    made = found.value()
    kinds = tuple(kind for kind in _kinds(parameter.annotation) if isinstance(kind, type))
    if kinds and parameter.annotation is not Parameter.empty and not isinstance(made, (*kinds, NoneType)):
        raise EditError(f"{said(parameter, name)} Got {short(found.text)}.")
    return made


def said(parameter: Parameter, name: str) -> str:
    """What a parameter takes, in a sentence."""
    if _takes_class(parameter):
        known = list(_classes(parameter, name))
        some = f", such as {' or '.join(map(repr, known))}" if len(known) <= FEW else ""
        return f"{parameter.name} is the name of a class{some}."
    if _takes_plain(parameter.annotation):
        kinds = map(get_origin, _kinds(parameter.annotation))
        return f"{parameter.name} is {'a list' if {list, tuple} & set(kinds) else 'a plain value'}."
    example = EXAMPLES.get(name, {}).get(parameter.name)
    return f"{parameter.name} is written as Python" + (
        f", such as {short(' '.join(example.split()), 80)}." if example else "."
    )


def _require_plain(parameter: Parameter, value: Any, name: str) -> None:
    written = not _takes_plain(parameter.annotation) and parameter.annotation is not Parameter.empty
    if _takes_class(parameter) or written or (_takes_lists_alone(parameter) and not isinstance(value, tuple)):
        raise EditError(f"{said(parameter, name)} Got {short(repr(value))}.")
    _require_counts(parameter, value)


def _require_class(parameter: Parameter, found: Expression, name: str) -> None:
    if not _takes_class(parameter) or found == Literal(None):
        return
    handed = found
    if isinstance(found, Called) and found.word.value is partial and found.args and not found.children:
        handed = found.args[0]
    known = tuple(_classes(parameter, name).values()) if _is_choice(parameter) else nn.Module
    if not isinstance(handed, Named) or not issubclass(handed.word.value, known):
        raise EditError(f"{said(parameter, name)} Got {short(found.text)}.")


def _require_counts(parameter: Parameter, value: Any) -> None:
    """Raises EditError for a number that no layer, width or size can be."""
    if int in _kinds(parameter.annotation) and type(value) is int:
        require_number(parameter.name, value)
    for each in value if isinstance(value, tuple) else ():
        if type(each) is int and not 1 <= each <= MOST_IN_LIST:
            raise EditError(f"{parameter.name} is a list of numbers from 1 to {MOST_IN_LIST:,}; {each:,} is in it.")
        _require_counts(parameter, each if isinstance(each, tuple) else None)


def _kinds(annotation: Any) -> list[Any]:
    """What may be given, None left out."""
    return [kind for kind in get_args(annotation) if kind is not NoneType] if _is_optional(annotation) else [annotation]


def _is_optional(annotation: Any) -> bool:
    return NoneType in get_args(annotation)


def _is_choice(parameter: Parameter) -> bool:
    """Whether it names the very classes that may be given."""
    return any(get_origin(kind) is type for kind in _kinds(parameter.annotation))


def _takes_class(parameter: Parameter) -> bool:
    return any(get_origin(kind) in (type, Callable) for kind in _kinds(parameter.annotation))


def _takes_plain(annotation: Any) -> bool:
    """Whether its values are numbers, texts, or lists of these."""
    kinds = _kinds(annotation)
    lists = (get_origin(kind) in (list, tuple) and all(map(_takes_plain, get_args(kind))) for kind in kinds)
    return any(kind in SIMPLE for kind in kinds) or any(lists)


def _takes_lists_alone(parameter: Parameter) -> bool:
    return all(get_origin(kind) in (list, tuple) for kind in _kinds(parameter.annotation))


def _classes(parameter: Parameter, name: str) -> dict[str, Any]:
    """The classes that may be given for a parameter of the class `name`, by their names."""
    module = sys.modules[class_called(name).__module__]
    own = {k: v for k, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__}
    for kind in _kinds(parameter.annotation):
        if get_origin(kind) is type:
            (named,) = get_args(kind)
            known = get_args(named) or (named,)
            better = {k: v for k, v in own.items() if issubclass(v, known) and v not in known}
            return better or {each.__name__: each for each in known}
    return {k: v for k, v in {**KNOWN, **own}.items() if issubclass(v, nn.Module) and k != name}


def _listed(value: Any, annotation: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    kind = next((kind for kind in _kinds(annotation) if get_origin(kind) in (list, tuple)), None)
    inner = get_args(kind)[0] if kind is not None else None
    return (list if get_origin(kind) is list else tuple)(_listed(each, inner) for each in value)
