"""torchvision's 121 models by name."""

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.layers import require_memory
from modelview.script import Code
from modelview.seeds import require_seed
from modelview.sources._builders import builder, declared, model_class, task
from modelview.sources._catalogue import (
    ModelRow as ModelRow,
    WeightsView as WeightsView,
    catalogue as catalogue,
    weights_view as _weights_view,
)
from modelview.sources._class_calls import class_call
from modelview.sources._code import code, plain_keywords
from modelview.sources._construct import for_real, on_meta
from modelview.sources._inputs import called_with, inputs
from modelview.sources._keywords import (
    Keyword as Keyword,
    Keywords,
    checked,
    keywords_of as keywords_of,
    require_classes,
)
from modelview.sources._seen_call import seen_call
from modelview.sources._weights import canonical, weights_enum
from modelview.sources.base import SOURCES, Progress, Shape, Source


@SOURCES.register("torchvision")
@dataclass(frozen=True)
class Torchvision(Source):
    """A torchvision model: its name, the name of its weights or a seed, and keywords for its builder.

    Values are brought into one form: DEFAULT becomes the name it stands for, keywords are sorted.
    Raises UnknownName, and EditError for what cannot be; `torchvision` looks more closely.

    >>> Torchvision("resnet50", "DEFAULT").weights
    'IMAGENET1K_V2'
    """

    name: str
    weights: str | None = None
    seed: int = 0
    keywords: Keywords = ()

    def __post_init__(self) -> None:
        builder(self.name)
        weights = canonical(self.name, self.weights)
        require_seed(self.seed)
        keywords = checked(self.name, dict(self.keywords), declared(self.name))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "keywords", keywords)
        self._require_own_classes()

    @property
    def title(self) -> str:
        return self.name

    @property
    def origin(self) -> str:
        return f"torchvision · {self.weights or f'random weights, seed {self.seed}'}"

    @property
    def example(self) -> tuple[Shape, ...]:
        return inputs(self.name, self.weights, self.keywords)

    def structure(self) -> nn.Module:
        return on_meta(self.name, self.weights, dict(self.keywords))

    def load(self, progress: Progress | None = None) -> nn.Module:
        return for_real(self.name, self.weights, dict(self.keywords), self.seed, progress)

    def code(self) -> Code:
        return code(self.name, self.weights, self.keywords)

    def subclassed(self, name: str, base: str) -> Code | None:
        own = plain_keywords(self.name, self.weights, self.keywords)
        found = seen_call(self.name, own) if base == model_class(self.name).__name__ else None
        if found is None:
            return None
        return class_call(base, found, kind=name)

    @property
    def categories(self) -> tuple[str, ...]:
        return self.view.categories if self.view else ()

    @property
    def view(self) -> WeightsView | None:
        """What is known about the weights; None for random ones."""
        return _weights_view(self.name, self.weights) if self.weights else None

    def belongings(self, *, categories: bool) -> Code:
        if self.view is None:
            return Code()
        licence = [f"# Licence of these weights: {self.view.licence}"] if self.view.licence else []
        lines = [*licence, f"WEIGHTS = {self.view.spelt}", "preprocess = WEIGHTS.transforms()"]
        if categories and self.view.categories:
            lines.append('CATEGORIES = WEIGHTS.meta["categories"]')
        return Code(constants=tuple(lines), imports=("from torchvision import models",))

    def arguments(self, *tensors: Any) -> tuple[Any, ...]:
        return called_with(self.name, *tensors)

    def with_classes(self, num_classes: int) -> Source:
        if "num_classes" not in declared(self.name):
            raise EditError(f"{model_class(self.name).__name__} predicts {task(self.name)}; it has no classes.")
        require_classes(num_classes)
        if self.weights is None:
            return replace(self, keywords=(*_without(self.keywords, "num_classes"), ("num_classes", num_classes)))
        return _Reclassed(self.name, self.weights, self.seed, self.keywords, num_classes)

    def _require_own_classes(self) -> None:
        """With weights, the number of classes is theirs."""
        wanted = dict(self.keywords).get("num_classes")
        if self.weights is None or wanted is None:
            return
        own = len(weights_enum(self.name)[self.weights].meta["categories"])
        if wanted != own:
            raise EditError(
                f"{self.weights} of {self.name} has {own} classes: open it with {own}, "
                f"then SwapHead(num_classes={wanted})."
            )


@dataclass(frozen=True)
class _Reclassed(Torchvision):
    """What weights shape, for another number of classes than theirs: to compare with, on meta."""

    num_classes: int = 1

    def structure(self) -> nn.Module:
        keywords = dict(_without(self.keywords, "num_classes"))
        return on_meta(self.name, self.weights, keywords, self.num_classes)

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - the same for all sources
        raise EditError(f"{self.weights} has no weights for {self.num_classes} classes; use SwapHead.")


def torchvision(name: str, *, weights: Any = None, seed: int = 0, **keywords: Any) -> Torchvision:
    """The model called `name`, looked at closely enough that it can be built.

    weights: None, "DEFAULT", "IMAGENET1K_V2", "ResNet50_Weights.IMAGENET1K_V2" or the enum's member.
    Raises UnknownName, and EditError for keywords or values that its builder does not take.

    >>> torchvision("resnet18", num_classes=10).keywords
    (('num_classes', 10),)
    """
    source = Torchvision(name, weights, seed, tuple(keywords.items()))
    if keywords:
        size = sum(p.numel() * p.element_size() for p in source.structure().parameters())
        require_memory(f"{name}({', '.join(f'{k}={v!r}' for k, v in source.keywords)})", size)
    return source


def weights_view(source: Torchvision) -> WeightsView | None:
    """Classes, preprocessing and origin of the source's weights; None if it has none."""
    return _weights_view(source.name, source.weights) if source.weights is not None else None


def _without(keywords: Keywords, name: str) -> Keywords:
    return tuple((k, v) for k, v in keywords if k != name)
