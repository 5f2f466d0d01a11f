"""All of torchvision, for tests, and the small models that stand for the families."""

import random
import zlib
from functools import cache
from typing import Any

import torch
from torchvision import models

from modelview.recipe import Recipe, structure_of

ALL = tuple(models.list_models())
DETECTION = tuple(models.list_models(models.detection))
SEGMENTATION = tuple(models.list_models(models.segmentation))
FLOW = tuple(models.list_models(models.optical_flow))
PLAIN = tuple(name for name in ALL if name not in DETECTION)
"""The models whose forward runs on meta."""


@cache
def n_parameters(name: str) -> int:
    """From the metadata of the default weights, without building."""
    weights = models.get_model_weights(name)
    return int(next(iter(weights)).meta["num_params"])


def exact(a: object, b: object) -> bool:
    """Whether two outputs are equal to the last bit, however they nest."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(exact(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(exact(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def inner(recipe: Recipe, count: int = 3) -> list[str]:
    """Random modules that are called once and return one tensor, the same ones on every run."""
    trace = structure_of(recipe).trace
    called = [call.path for call in trace.calls]
    paths = [c.path for c in trace.calls if c.path and called.count(c.path) == 1 and _is_tensor(c.outputs)]
    return random.Random(zlib.crc32(recipe.source.title.encode())).sample(paths, count)


def _is_tensor(shapes: Any) -> bool:
    return isinstance(shapes, tuple) and len(shapes) > 1 and all(isinstance(size, int) for size in shapes)
