"""torchvision's model classes, for what no builder makes: a ResNet of any blocks and layers, a ViT of any size."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from inspect import Parameter
from types import NoneType
from typing import Any, get_args, get_origin

from torch import nn
from torchvision import models

from modelview.errors import EditError
from modelview.layers import KNOWN
from modelview.names import short, unknown
from modelview.script import WIDTH, Code, quoted
from modelview.seeds import require_seed
from modelview.sources import _builders
from modelview.sources._keywords import SIMPLE, Keyword, Keywords, checked, keyword
from modelview.sources._making import for_real, on_meta, require_known, require_number
from modelview.sources.base import SOURCES, Progress, Shape, Source
from modelview.sources.torchvision import torchvision

SIDES = {"Inception3": 299}
SIDE = 224
FEW = 4
"""So many classes are named one by one where one of them is to be given."""
MOST_IN_LIST = 100_000
"""Numbers in lists are layers and widths; a larger one is a slip that would take minutes to fail."""


@SOURCES.register("torchvision_class")
@dataclass(frozen=True)
class TorchvisionClass(Source):
    """A class of torchvision.models called with plain values; where it takes a class, that is given by its name.

    Raises UnknownName for names, EditError for keywords that it does not take or lacks.

    >>> source = TorchvisionClass("ResNet", (("block", "Bottleneck"), ("layers", (3, 24, 36, 3))))
    >>> source.code().statements
    ('model = models.ResNet(block=Bottleneck, layers=[3, 24, 36, 3])',)
    """

    name: str
    keywords: Keywords = ()
    seed: int = 0

    def __post_init__(self) -> None:
        require_seed(self.seed)
        takes = parameters(self.name)
        given = dict(self.keywords)
        require_known(self.name, given, tuple(takes))
        if missing := [name for name, p in takes.items() if p.default is Parameter.empty and name not in given]:
            raise EditError(f"{self.name} needs {' and '.join(missing)}. {_said(takes[missing[0]], self.name)}")
        object.__setattr__(self, "keywords", checked(self.name, given, takes))
        for name, value in self.keywords:
            _require_counts(takes[name], value)
            _value(takes[name], value, self.name)

    @property
    def title(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        return f"torchvision · {short(self._call)} · random weights, seed {self.seed}"

    @property
    def example(self) -> tuple[Shape, ...]:
        given = dict(self.keywords)
        side: Any = given.get("image_size", given.get("input_size", SIDES.get(self.name, SIDE)))
        return ((1, 3, *(side if isinstance(side, tuple) else (side, side))),)

    def structure(self) -> nn.Module:
        return on_meta(self._call, partial(self._make, init=False))

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - nothing is downloaded
        return for_real(self._call, partial(self._make, init=True), self.seed)

    def code(self) -> Code:
        line = f"model = models.{self._call}"
        if len(line) > WIDTH - 20:
            arguments = (f"    {name}={value}," for name, value in self._written().items())
            line = "\n".join([f"model = models.{self.name}(", *arguments, ")"])
        takes = parameters(self.name)
        classes = [_value(takes[k], v, self.name) for k, v in self.keywords if _takes_class(takes[k])]
        return Code((line,), imports=("from torchvision import models", *map(_import, classes)))

    def with_classes(self, num_classes: int) -> Source:
        return replace(self, keywords=tuple({**dict(self.keywords), "num_classes": num_classes}.items()))

    @property
    def _call(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self._written().items())})"

    def _written(self) -> dict[str, str]:
        """The arguments as Python, in the order of the class's own."""
        given = self._quietly(dict(self.keywords), init=True)
        found = {}
        for name, parameter in parameters(self.name).items():
            if name in given:
                value = _value(parameter, given[name], self.name)
                is_class = isinstance(value, type)
                found[name] = value.__name__ if is_class else quoted(value) if isinstance(value, str) else repr(value)
        return found

    def _make(self, *, init: bool) -> nn.Module:
        takes = parameters(self.name)
        given = self._quietly(dict(self.keywords), init=init)
        model: nn.Module = _class(self.name)(**{k: _value(takes[k], v, self.name) for k, v in given.items()})
        return model

    def _quietly(self, given: dict[str, Any], *, init: bool) -> dict[str, Any]:
        """`init_weights` said outright where the class warns if it is left out."""
        parameter = parameters(self.name).get("init_weights")
        return given if parameter is None else {"init_weights": init, **given}


def is_class(name: str) -> bool:
    """Whether torchvision.models has a model class of that name."""
    found = vars(models).get(name)
    return isinstance(found, type) and issubclass(found, nn.Module)


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The classes that plain values and class names are enough for."""
    return tuple(sorted(name for name in vars(models) if is_class(name) and not _unsayable(name)))


def parameters(name: str) -> Mapping[str, Parameter]:
    """What can be said to the class of that name. Raises UnknownName, EditError."""
    if name not in names():
        if not is_class(name):
            raise unknown("torchvision class", name, names())
        built = [each for each in _builders.names() if _builders.model_class(each).__name__ == name]
        instead = f" Open one of its models instead, such as {built[0]}." if built else ""
        raise EditError(f"{name} needs {_unsayable(name)[0]}, which cannot be written as plain values.{instead}")
    return {p.name: p for p in _signature(name) if _takes_class(p) or _takes_plain(p.annotation)}


def keywords_of_class(name: str) -> tuple[Keyword, ...]:
    """Everything that can be said to the class of that name, for a form; a class is given by its name.

    Raises UnknownName, EditError.
    """
    return tuple(row for parameter in parameters(name).values() if (row := _keyword(parameter, name)) is not None)


def _keyword(parameter: Parameter, name: str) -> Keyword | None:
    if not _takes_class(parameter):
        return keyword(parameter)
    known = tuple(_classes(parameter, name))
    required = parameter.default is Parameter.empty
    return Keyword(parameter.name, None, "class", known if len(known) <= FEW else (), required)


def torchvision_class(name: str, *, seed: int = 0, **keywords: Any) -> TorchvisionClass:
    """The class of that name with these arguments, looked at closely enough that it can be built.

    Raises UnknownName, and EditError for what it does not take.
    """
    source = TorchvisionClass(name, tuple(keywords.items()), seed)
    source.structure()
    return source


def from_torchvision(name: str, **keywords: Any) -> Source:
    """The model of torchvision of that name, or its class called with these arguments."""
    return torchvision_class(name, **keywords) if is_class(name) else torchvision(name, **keywords)


def _class(name: str) -> Callable[..., nn.Module]:
    found: Callable[..., nn.Module] = getattr(models, name)
    return found


def _signature(name: str) -> list[Parameter]:
    found = inspect.signature(_class(name)).parameters.values()
    return [p for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]


def _unsayable(name: str) -> list[str]:
    """What the class insists on and no plain value can be."""
    needed = (p for p in _signature(name) if p.default is Parameter.empty)
    return [p.name for p in needed if not (_takes_class(p) or _takes_plain(p.annotation))]


def _kinds(annotation: Any) -> list[Any]:
    return [kind for kind in get_args(annotation) if kind is not NoneType] if _is_optional(annotation) else [annotation]


def _is_optional(annotation: Any) -> bool:
    return NoneType in get_args(annotation)


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
    for kind in _kinds(parameter.annotation):
        if get_origin(kind) is type:
            (named,) = get_args(kind)
            return {each.__name__: each for each in get_args(named) or (named,)}
    module = sys.modules[_class(name).__module__]
    own = {k: v for k, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__}
    return {k: v for k, v in {**KNOWN, **own}.items() if issubclass(v, nn.Module) and k != name}


def _value(parameter: Parameter, value: Any, name: str) -> Any:
    """What the class is given: a class for its name, a list where it declares one. Raises UnknownName, EditError."""
    if value is None or not _takes_class(parameter):
        if _takes_lists_alone(parameter) and not isinstance(value, tuple | None):
            raise EditError(f"{_said(parameter, name)} Got {short(repr(value))}.")
        return _listed(value, parameter.annotation)
    known = _classes(parameter, name)
    if not isinstance(value, str):
        raise EditError(f"{_said(parameter, name)} Got {short(repr(value))}.")
    if value not in known:
        raise unknown(f"class for {parameter.name}", value, known)
    return known[value]


def _listed(value: Any, annotation: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    kind = next((kind for kind in _kinds(annotation) if get_origin(kind) in (list, tuple)), None)
    inner = get_args(kind)[0] if kind is not None else None
    return (list if get_origin(kind) is list else tuple)(_listed(each, inner) for each in value)


def _said(parameter: Parameter, name: str) -> str:
    """What a parameter takes, in a sentence."""
    if not _takes_class(parameter):
        kinds = map(get_origin, _kinds(parameter.annotation))
        return f"{parameter.name} is {'a list' if {list, tuple} & set(kinds) else 'a plain value'}."
    known = list(_classes(parameter, name))
    some = f", such as {' or '.join(map(repr, known))}" if len(known) <= FEW else ""
    return f"{parameter.name} is the name of a class{some}."


def _require_counts(parameter: Parameter, value: Any) -> None:
    """Raises EditError for a number that no layer, width or size can be."""
    if int in _kinds(parameter.annotation) and type(value) is int:
        require_number(parameter.name, value)
    for each in value if isinstance(value, tuple) else ():
        if type(each) is int and not 1 <= each <= MOST_IN_LIST:
            raise EditError(f"{parameter.name} is a list of numbers from 1 to {MOST_IN_LIST:,}; {each:,} is in it.")
        _require_counts(parameter, each if isinstance(each, tuple) else None)


def _import(cls: type) -> str:
    module = cls.__module__
    if module.startswith("torch.nn."):
        module = "torch.nn"
    return f"from {module} import {cls.__name__}"
