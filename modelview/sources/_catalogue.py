"""What torchvision says about its models and their weights, as rows; nothing is built or fetched."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelview.downloads import file_name
from modelview.sources._builders import dotted, names, task
from modelview.sources._inputs import usual_inputs
from modelview.sources._weights import weights_enum, weights_names
from modelview.sources.base import Shape

NON_COMMERCIAL = "CC-BY-NC 4.0, not for commercial use"


@dataclass(frozen=True)
class ModelRow:
    """A model as its default weights describe it.

    n_parameters: of the default weights. input: shape of each input, N = 1. size_mb: of the weights' file.
    accuracy: by `metric` ("acc@1", "miou", "box_map" in percent, "epe" in pixels) as published.
    licence: of the default weights where they have one of their own, else "".
    """

    name: str
    task: str
    n_parameters: int
    input: tuple[Shape, ...]
    accuracy: float
    metric: str
    size_mb: float
    weights: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class WeightsView:
    """What comes with weights beside the numbers.

    categories: names of the classes, in order; () for optical flow. transforms: the preprocessing itself,
    to be called on an image. preprocessing: it in words. spelt: the enum's member in Python,
    given `from torchvision import models`. code: the preprocessing in Python.
    """

    name: str
    categories: tuple[str, ...]
    transforms: Any
    preprocessing: str
    spelt: str
    code: str
    licence: str
    url: str
    file: str
    size_mb: float


@lru_cache(maxsize=1)
def catalogue() -> tuple[ModelRow, ...]:
    """Every model of torchvision, by name."""
    return tuple(map(_row, names()))


def weights_view(name: str, weights: str) -> WeightsView:
    """What is known about one of the model's weights."""
    member = weights_enum(name)[weights]
    preset = member.transforms()
    holder = dotted(name).rpartition(".")[0].replace(".quantization", "")
    spelt = f"{holder}.{type(member).__name__}.{member.name}"
    return WeightsView(
        name=member.name,
        categories=tuple(member.meta.get("categories") or ()),
        transforms=preset,
        preprocessing=_plain(preset.describe()),
        spelt=spelt,
        code=f"from torchvision import models\n\npreprocess = {spelt}.transforms()",
        licence=_licence(member),
        url=member.url,
        file=file_name(member.url),
        size_mb=member.meta["_file_size"],
    )


def _row(name: str) -> ModelRow:
    member = weights_enum(name).DEFAULT
    metrics: dict[str, float] = next(iter(member.meta["_metrics"].values()), {})
    metric, accuracy = next(iter(metrics.items()))
    return ModelRow(
        name=name,
        task=task(name),
        n_parameters=member.meta["num_params"],
        input=usual_inputs(name),
        accuracy=accuracy,
        metric=metric,
        size_mb=member.meta["_file_size"],
        weights=weights_names(name),
        licence=_licence(member),
    )


def _licence(member: Any) -> str:
    """The licence of weights that are under one of their own; SWAG's link leads to CC-BY-NC 4.0."""
    link = str(member.meta.get("license") or "")
    return f"{NON_COMMERCIAL}: {link}" if "SWAG" in link else link


def _plain(text: str) -> str:
    """Without the marks of reStructuredText.

    >>> _plain("Rescaled to ``[0.0, 1.0]`` using ``InterpolationMode.BILINEAR``.")
    'Rescaled to [0.0, 1.0] using bilinear.'
    """
    text = re.sub(r"InterpolationMode\.(\w+)", lambda found: found.group(1).lower(), text)
    return " ".join(text.replace("``", "").split())
