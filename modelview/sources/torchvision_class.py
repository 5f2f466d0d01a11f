"""torchvision's model classes, for what no builder makes: a ResNet of any blocks and layers, a ViT of any size."""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from inspect import Parameter
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from modelview.errors import EditError
from modelview.script import WIDTH, Code
from modelview.seeds import require_seed
from modelview.sources._class_arguments import (
    builder_of,
    canonical,
    classes,
    expression,
    form_row,
    given,
    parameters as parameters,
    said,
)
from modelview.sources._class_calls import called, class_call, written
from modelview.sources._class_examples import EXAMPLES as EXAMPLES
from modelview.sources._expressions import Called, Expression
from modelview.sources._inputs import SIZE_KEYWORDS, called_with, inputs
from modelview.sources._keywords import Keyword, Keywords, checked, require_classes
from modelview.sources._making import for_real, on_meta, require_known
from modelview.sources.base import SOURCES, Progress, Shape, Source
from modelview.sources.torchvision import torchvision

COUNTING = {"DeepLabHead": "num_classes", "FCNHead": "channels"}
"""What says the number of classes where the model's class does not: a parameter of what it is given as classifier."""


@SOURCES.register("torchvision_class")
@dataclass(frozen=True)
class TorchvisionClass(Source):
    """A class of torchvision.models with its arguments: plain values, and as Python whatever is none.

    Where it takes a class, that is given by its name, or as `partial(...)` of one; where it takes objects, by calls
    such as `CNBlockConfig(96, 192, 3)`. Such text is read, never run: it may call torch's layers, torchvision's
    classes and builders, and a few functions, all without weights.
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
        asked = dict(self.keywords)
        require_known(self.name, asked, tuple(takes))
        if missing := [name for name, p in takes.items() if p.default is Parameter.empty and name not in asked]:
            raise EditError(f"{self.name} needs {' and '.join(missing)}. {said(takes[missing[0]], self.name)}")
        plain = checked(self.name, asked, takes)
        found = tuple((name, canonical(takes[name], value, self.name)) for name, value in plain)
        object.__setattr__(self, "keywords", found)

    @property
    def title(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        call = f"{self._call} · " if len(self._call) <= WIDTH else ""
        return f"torchvision · {call}random weights, seed {self.seed}"

    @property
    def example(self) -> tuple[Shape, ...]:
        takes, asked = parameters(self.name), dict(self.keywords)
        sizes = {k: given(takes[k], asked.get(k, takes[k].default), self.name) for k in SIZE_KEYWORDS if k in takes}
        usual = inputs(builder_of(self.name), None, tuple({**asked, **sizes}.items()))
        channels = _in_channels(self) if any(self._expressions().values()) else 3
        return tuple((1, channels, *shape[2:]) for shape in usual)

    def arguments(self, *tensors: Any) -> tuple[Any, ...]:
        return called_with(builder_of(self.name), *tensors)

    def structure(self) -> nn.Module:
        return on_meta(self._call, partial(self._make, init=False))

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - nothing is downloaded
        return for_real(self._call, partial(self._make, init=True), self.seed)

    def code(self) -> Code:
        return class_call(self.name, self.keywords)

    def subclassed(self, name: str, base: str) -> Code | None:
        return class_call(self.name, self.keywords, kind=name) if base == self.name else None

    def with_classes(self, num_classes: int) -> Source:
        require_classes(num_classes)
        takes, asked = parameters(self.name), dict(self.keywords)
        if "num_classes" in takes:
            return replace(self, keywords=tuple({**asked, "num_classes": num_classes}.items()))
        for name, found in self._expressions().items():
            if isinstance(found, Called) and (counting := COUNTING.get(found.word.value.__name__)):
                asked[name] = found.with_argument(counting, num_classes).text
        if asked == dict(self.keywords):
            return super().with_classes(num_classes)
        return replace(self, keywords=tuple(asked.items()))

    @property
    def _call(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in written(self.name, self.keywords).items())})"

    def _expressions(self) -> dict[str, Expression | None]:
        takes = parameters(self.name)
        return {name: expression(takes[name], value, self.name) for name, value in self.keywords}

    def _make(self, *, init: bool) -> nn.Module:
        return called(self.name, self.keywords, init=init)


def names() -> tuple[str, ...]:
    """Every class that torchvision's builders make."""
    return tuple(classes())


def keywords_of_class(name: str) -> tuple[Keyword, ...]:
    """Everything that can be said to the class of that name, for a form. Raises UnknownName."""
    return tuple(form_row(parameter, name) for parameter in parameters(name).values())


def torchvision_class(name: str, *, seed: int = 0, **keywords: Any) -> TorchvisionClass:
    """The class of that name with these arguments, looked at closely enough that it can be built.

    Raises UnknownName, and EditError for what it does not take.
    """
    source = TorchvisionClass(name, tuple(keywords.items()), seed)
    source.structure()
    return source


def from_torchvision(name: str, **keywords: Any) -> Source:
    """The model of torchvision of that name, or its class called with these arguments."""
    return torchvision_class(name, **keywords) if name in classes() else torchvision(name, **keywords)


@lru_cache(maxsize=64)
def _in_channels(source: TorchvisionClass) -> int:
    """What its first convolution takes."""
    convolutions = (m for m in source.structure().modules() if isinstance(m, _ConvNd))
    return next((m.in_channels for m in convolutions), 3)
