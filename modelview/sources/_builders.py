"""torchvision's builders by name: which there are, what they make, and what they declare to take."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from torch import nn
from torchvision import models

from modelview.names import unknown
from modelview.sources._signatures import keywords_through

OURS = ("weights", "progress", "pretrained", "pretrained_backbone")
"""What a builder takes beside keywords: weights are a field of their own, the rest is obsolete or ours."""

TASKS = {
    "detection": "detection",
    "segmentation": "segmentation",
    "video": "video",
    "optical_flow": "optical flow",
    "quantization": "quantizable",
}


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Every model that torchvision can build."""
    return tuple(models.list_models())


def builder(name: str) -> Callable[..., nn.Module]:
    """Torchvision's function that makes the model. Raises UnknownName."""
    if name not in names():
        raise unknown("torchvision model", name, names())
    found: Callable[..., nn.Module] = models.get_model_builder(name)
    return found


def task(name: str) -> str:
    """What the model is for: "classification", or one of TASKS."""
    return TASKS.get(_folder(name), "classification")


def dotted(name: str) -> str:
    """The builder as code names it, such as "models.segmentation.fcn_resnet50"."""
    folder = _folder(name)
    return ".".join(["models", *([folder] if folder in TASKS else []), builder(name).__name__])


def _folder(name: str) -> str:
    return builder(name).__module__.split(".")[2]


def model_class(name: str) -> type[nn.Module]:
    """The class of the model that the builder makes."""
    found: type[nn.Module] = inspect.signature(builder(name)).return_annotation
    return found


@lru_cache(maxsize=256)
def explicit(name: str) -> Mapping[str, inspect.Parameter]:
    """The keywords that the builder itself declares."""
    parameters = inspect.signature(builder(name)).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in OURS}


@lru_cache(maxsize=256)
def declared(name: str) -> Mapping[str, inspect.Parameter]:
    """The keywords that have a meaning: the builder's own, and those it hands on."""
    return {k: p for k, p in keywords_through(builder(name)).items() if k not in OURS}


def without_backbone(name: str) -> dict[str, None]:
    """What keeps the builder from downloading a backbone."""
    return {"weights_backbone": None} if "weights_backbone" in explicit(name) else {}


def quietly(name: str, *, init: bool) -> dict[str, bool]:
    """`init_weights` said outright, where torchvision warns if it is left out or it is to be skipped."""
    parameter = declared(name).get("init_weights")
    return {} if parameter is None or parameter.default is init else {"init_weights": init}


def refused_keyword(error: TypeError) -> str | None:
    """The keyword that a call did not take, or had been given already."""
    found = re.search(r"(?:unexpected keyword argument|multiple values for (?:keyword )?argument) '(\w+)'", str(error))
    return found.group(1) if found else None
