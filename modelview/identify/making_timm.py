"""The index of timm's models: each built on meta as it is, and once with other classes and channels."""

import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from torch import nn

from modelview.errors import EditError
from modelview.identify import kept
from modelview.identify.index import Entry, Grid, Growth, Shape, written
from modelview.identify.shapes import own_number, shapes
from modelview.script import quoted
from modelview.sources._calling import arguments, on_meta
from modelview.sources._signatures import keywords_through

CLASSES = 1000
"""Of a model that comes without any, for its entry with a head."""
MORE_CLASSES, FEWER_CHANNELS = 8, 1
"""How the second build differs: what grows in it follows the classes, and what shrinks the channels."""
MOST_EXTRA = 16
"""Class and register tokens before a grid of positions."""


def make(log: TextIO) -> Path:
    """Write the index of the timm that is installed into the user's cache. Raises EditError where there is none."""
    state = kept.state()
    if state.installed is None:
        raise EditError("timm is not installed here: pip install timm.")
    names = import_module("timm").list_models()
    kept.write(state.path, written(entries(names, log), {"timm": state.installed}))
    return state.path


def entries(names: list[str], log: TextIO) -> Iterator[Entry]:
    """One for each model, and one more with a head for each that comes without."""
    for number, name in enumerate(names):
        if number % 50 == 0:
            log.write(f"{number:,} of {len(names):,} timm models\n")
            log.flush()
        try:
            with warnings.catch_warnings(action="ignore"):
                yield from _of(name)
        except EditError as error:
            log.write(f"Left out: {error}\n")


def _of(name: str) -> Iterator[Entry]:
    model = _built(name, {})
    taken = keywords_through(type(model))
    yield _entry(name, {}, model, taken)
    if getattr(model, "num_classes", None) == 0 and "num_classes" in taken:
        with_head: dict[str, Any] = {"num_classes": CLASSES}
        yield _entry(name, with_head, _built(name, with_head), taken)


def _entry(name: str, keywords: dict[str, Any], model: nn.Module, taken: Mapping[str, object]) -> Entry:
    tensors = shapes(model)
    heads, stems = _growths(name, model, tensors, taken)
    return Entry(
        spec=f"timm:{name}",
        keywords=tuple(keywords.items()),
        num_classes=own_number(tensors, heads),
        items=tuple(tensors.items()),
        heads=heads,
        stems=stems,
        grids=_grids(model, tensors, taken),
        children=tuple(child for child, _ in model.named_children()),
    )


def _built(name: str, keywords: Mapping[str, Any]) -> nn.Module:
    said = ", ".join(filter(None, [quoted(name), arguments(keywords)]))
    make = partial(import_module("timm").create_model, name, pretrained=False, **keywords)
    return on_meta(f"timm.create_model({said})", make)


def _growths(
    name: str, model: nn.Module, tensors: Mapping[str, Shape], taken: Mapping[str, object]
) -> tuple[dict[str, Growth], dict[str, Growth]]:
    """How tensors follow the number of classes, and that of input channels."""
    classes, channels = int(getattr(model, "num_classes", 0) or 0), _channels(model)
    asked: dict[str, Any] = {}
    if classes and "num_classes" in taken:
        asked["num_classes"] = classes + MORE_CLASSES
    if channels > FEWER_CHANNELS and "in_chans" in taken:
        asked["in_chans"] = channels - FEWER_CHANNELS
    other = _changed(name, asked)
    heads, stems = {}, {}
    for tensor, own in tensors.items():
        for dim, (was, now) in enumerate(zip(own, other.get(tensor, own), strict=False)):
            if now > was:
                heads[tensor] = _growth(dim, was, now - was, MORE_CLASSES, classes)
            elif now < was:
                stems[tensor] = _growth(dim, was, was - now, FEWER_CHANNELS, channels)
    return heads, stems


def _growth(dim: int, size: int, change: int, step: int, number: int) -> Growth:
    slope = change // step
    return Growth(dim, slope, size - slope * number)


def _changed(name: str, asked: dict[str, Any]) -> dict[str, Shape]:
    """Of the model with these keywords; with the first alone where it cannot be had with all."""
    while asked:
        try:
            return shapes(_built(name, asked))
        except EditError:
            asked.popitem()
    return {}


def _channels(model: nn.Module) -> int:
    size = getattr(model, "pretrained_cfg", {}).get("input_size", (3,))
    return int(size[0])


def _grids(model: nn.Module, tensors: Mapping[str, Shape], taken: Mapping[str, object]) -> dict[str, Grid]:
    """Of a model that takes an image size and has one position for each patch."""
    embedding = tensors.get("pos_embed", ())
    patches = getattr(model, "patch_embed", None)
    grid, patch = getattr(patches, "grid_size", None), getattr(patches, "patch_size", None)
    if "img_size" not in taken or len(embedding) != 3 or not grid or not patch or grid[0] != grid[1]:
        return {}
    extra = embedding[1] - grid[0] * grid[1]
    return {"pos_embed": Grid(int(patch[0]), extra)} if 0 <= extra <= MOST_EXTRA else {}
