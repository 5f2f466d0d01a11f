"""A function of one's own that makes a model, by "package.module:function"; only where somebody allowed it."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

from torch import nn
from torch.nn.modules.conv import _ConvNd

from modelview.errors import EditError, UnknownName
from modelview.names import is_name, short
from modelview.script import Code
from modelview.seeds import require_seed
from modelview.sources._calling import arguments, for_real, on_meta
from modelview.sources._importing import (
    allow as allow,
    function_of,
    operators as operators,
    require_allowed,
    require_fit,
)
from modelview.sources._keywords import Keywords, _frozen, _is_plain
from modelview.sources._signatures import POSITIONAL
from modelview.sources.base import SOURCES, Progress, Shape, Source
from modelview.sources.pickled import IMAGE

SIZES = {1: (IMAGE,), 2: (IMAGE, IMAGE), 3: (16, 112, 112)}
"""The size of the input of a convolution, by its number of axes."""

TAKEN = frozenset({"build_model", "model", "weights", "torch", "nn", "F", "Tensor", "models", "ops", "OrderedDict"})
"""What a script calls something else."""


@SOURCES.register("factory")
@dataclass(frozen=True)
class Factory(Source):
    """What a function makes, called with keywords. input: the shape of each input, with N = 1; () is guessed.

    The value alone imports and runs nothing. Raises UnknownName, EditError for what no factory could be.
    """

    heads_by_output: ClassVar[bool] = True

    spec: str
    keywords: Keywords = ()
    input: tuple[Shape, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_spec(self.spec):
            raise UnknownName(f'A factory is named as "package.module:function"; got {short(self.spec)!r}.')
        require_seed(self.seed)
        object.__setattr__(self, "keywords", plain(self.spec, dict(self.keywords)))
        object.__setattr__(self, "input", _shapes(self.input))

    @property
    def title(self) -> str:
        module, _, function = self.spec.partition(":")
        return f"{module.rpartition('.')[2]}.{function}"

    @property
    def origin(self) -> str:
        return f"{self.spec} · seed {self.seed}"

    @property
    def example(self) -> tuple[Shape, ...]:
        return self.input or _guessed(self)

    def structure(self) -> nn.Module:
        return on_meta(self._said, self._make())

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - it fetches what it needs itself
        return for_real(self._said, self._make(), self.seed)

    def code(self) -> Code:
        module, _, function = self.spec.partition(":")
        called = f"make_{function}" if function in TAKEN else function
        line = f"from {module} import {function}" + (f" as {called}" if called != function else "")
        return Code((f"model = {called}({arguments(dict(self.keywords))})",), imports=(line,))

    @property
    def _said(self) -> str:
        return short(f"{self.spec}({arguments(dict(self.keywords))})", 200)

    def _make(self) -> Callable[[], object]:
        """The call, once it is known to be allowed and to fit. Raises EditError, UnknownName."""
        require_allowed(self.spec)
        function, keywords = function_of(self.spec), dict(self.keywords)
        require_fit(self.spec, function, keywords)
        return partial(function, **keywords)


def factory(spec: str, /, *, input: Any = (), seed: int = 0, **keywords: Any) -> Factory:
    """The factory `spec`, looked at closely enough that its model can be built. It has to be allowed.

    input: the shape of its input, with N = 1, or of each input where there are several. keywords go to the function.
    Raises EditError, UnknownName.
    """
    source = Factory(spec, tuple(keywords.items()), input, seed)
    source.structure()
    _ = source.example
    return source


def is_spec(text: str) -> bool:
    """Whether `text` is "package.module:function".

    >>> is_spec("mynets.unet:build"), is_spec("mynets.unet"), is_spec("my-nets:build")
    (True, False, False)
    """
    names = re.split(r"[.:]", text)
    return text.count(":") == 1 and "." not in text.partition(":")[2] and all(map(is_name, names))


def plain(name: str, keywords: Mapping[str, object]) -> Keywords:
    """The keywords sorted, their lists as tuples. Raises EditError for what is no plain value."""
    for keyword, value in keywords.items():
        if not _is_plain(value):
            raise EditError(f"{name} is opened with plain values; {keyword}={short(repr(value))} is not one.")
    return tuple(sorted((keyword, _frozen(value)) for keyword, value in keywords.items()))


def _shapes(given: Any) -> tuple[Shape, ...]:
    """One shape an input, where one alone may stand for itself. Raises EditError."""
    shapes = _frozen(given)
    if isinstance(shapes, tuple) and shapes and not isinstance(shapes[0], tuple):
        shapes = (shapes,)
    if isinstance(shapes, tuple) and all(map(_is_shape, shapes)):
        return shapes
    raise EditError(
        "input is a shape with N = 1, such as (1, 3, 224, 224), or a list of one for each input; "
        f"got {short(repr(given))}."
    )


def _is_shape(value: object) -> bool:
    return (
        isinstance(value, tuple) and value[:1] == (1,) and all(type(size) is int and 0 < size < 2**31 for size in value)
    )


@lru_cache(maxsize=64)
def _guessed(source: Factory) -> tuple[Shape, ...]:
    """The shape that the first layer with a width takes. Raises EditError where there are several inputs."""
    model = source.structure()
    parameters = inspect.signature(model.forward).parameters.values()
    names = [p.name for p in parameters if p.default is p.empty and p.kind in POSITIONAL]
    if len(names) > 1:
        raise EditError(
            f"{source.title} takes {len(names)} inputs ({', '.join(names)}): give a shape for each, such as "
            f"input=({', '.join(['(1, 3, 224, 224)'] * len(names))})."
        )
    for module in model.modules():
        if isinstance(module, nn.Linear):
            return ((1, module.in_features),)
        if isinstance(module, _ConvNd):
            return ((1, module.in_channels, *SIZES[len(module.kernel_size)]),)
    return ((1, 3, IMAGE, IMAGE),)
