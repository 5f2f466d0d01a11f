"""The shapes that torchvision's models are run on, from what their weights say about themselves."""

import re
from typing import Any

from modelview.sources._builders import declared, task
from modelview.sources._keywords import Keywords
from modelview.sources._weights import weights_enum
from modelview.sources.base import Shape

FLOW_SIZE = (520, 960)
DETECTION_SIZE = 800
FRAMES = 16

SIZE_KEYWORDS = ("image_size", "input_size", "spatial_size", "size", "min_size")
"""Keywords that settle the size of the input, in some model or other."""


def usual_inputs(name: str, weights: str | None = None) -> tuple[Shape, ...]:
    """One shape an input, N = 1, as `weights`, or else the default ones, were evaluated; nothing is built."""
    member = weights_enum(name)[weights or "DEFAULT"]
    kind = task(name)
    if kind == "optical flow":
        return ((1, 3, *FLOW_SIZE),) * 2
    if kind == "detection":
        size = re.search(r"\d{3}", name)  # where the size is fixed, the name says it: ssd300_vgg16
        return ((1, 3, *_square(int(size.group()) if size else DETECTION_SIZE)),)
    preset = member.transforms()
    crop = tuple(getattr(preset, "crop_size", None) or preset.resize_size)
    if kind == "video":
        length = re.search(r"clip_len=(\d+)", member.meta["_docs"])
        return ((1, 3, int(length.group(1)) if length else FRAMES, *_square(crop)),)
    return ((1, 3, *_square(crop)),)


def inputs(name: str, weights: str | None, keywords: Keywords) -> tuple[Shape, ...]:
    """The shapes that this very model is run on: the usual ones, unless it takes only another size."""
    shapes = usual_inputs(name, weights)
    given = dict(keywords)
    if weights is None:  # without weights, some are built for a smaller size than the default weights'
        own = {k: declared(name)[k].default for k in ("image_size", "input_size") if k in declared(name)}
        given = {**own, **given}
    size = next((given[k] for k in SIZE_KEYWORDS if given.get(k) is not None), None)
    if size is not None:
        shapes = tuple((*shape[:-2], *_square(size)) for shape in shapes)
    if isinstance(frames := given.get("temporal_size"), int):
        shapes = tuple((*shape[:2], frames, *shape[-2:]) for shape in shapes)
    return shapes


def called_with(name: str, *tensors: Any) -> tuple[Any, ...]:
    """A detection model takes one list of images (C, H, W); the others take tensors (N, ...)."""
    return ([image for t in tensors for image in t],) if task(name) == "detection" else tensors


def _square(size: object) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, tuple | list) else (size,)
    return (int(sides[0]), int(sides[-1]))
