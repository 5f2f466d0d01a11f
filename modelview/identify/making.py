"""`python -m modelview.identify.making [--timm]`: builds every architecture on meta and writes the index anew."""

import sys
from collections.abc import Iterator
from importlib.metadata import version

from torch import nn
from torchvision import models

from modelview.errors import EditError, ModelviewError, UnknownName
from modelview.identify import kept, making_timm
from modelview.identify.index import FILE, Entry, Grid, Growth, Shape, written
from modelview.identify.shapes import own_number, shapes
from modelview.sources.base import Source
from modelview.sources.torchvision import Torchvision, keywords_of

SWITCHES = ("aux_logits", "aux_loss")
"""Keywords that add tensors to a model or leave them out."""


def entries() -> Iterator[Entry]:
    """One for each model, and one more for each way in which a keyword or its weights give it other tensors."""
    for name in models.list_models():
        seen = set()
        for keywords in _variants(name):
            try:
                made = entry(Torchvision(name, keywords=keywords), keywords)
            except EditError:  # lraspp takes aux_loss only to refuse it
                continue
            if made.items not in seen:
                seen.add(made.items)
                yield made


def entry(source: Torchvision, keywords: tuple[tuple[str, object], ...]) -> Entry:
    """What is known of one architecture, from its structure and from two others with other classes."""
    model = source.structure()
    tensors = shapes(model)
    heads = _heads(source, tensors)
    return Entry(
        spec=f"torchvision:{source.name}",
        keywords=keywords,
        num_classes=own_number(tensors, heads),
        items=tuple(tensors.items()),
        heads=heads,
        stems={name: Growth(1, 1, 0) for name, shape in tensors.items() if len(shape) > 3 and shape[1] == 3},
        grids=_grids(model, tensors),
        children=tuple(name for name, _ in model.named_children()),
    )


def _variants(name: str) -> Iterator[tuple[tuple[str, object], ...]]:
    yield ()
    for keyword in keywords_of(name):
        if keyword.name in SWITCHES:
            yield ((keyword.name, False),)
            yield ((keyword.name, True),)


def _heads(source: Source, tensors: dict[str, Shape]) -> dict[str, Growth]:
    try:
        seven, eight = (shapes(source.with_classes(number).structure()) for number in (7, 8))
    except (EditError, UnknownName):
        return {}
    found = {}
    for name in tensors:
        for dim, (a, b) in enumerate(zip(seven[name], eight[name], strict=True)):
            if a != b:
                found[name] = Growth(dim, b - a, a - 7 * (b - a))
    return found


def _grids(model: nn.Module, tensors: dict[str, Shape]) -> dict[str, Grid]:
    image, patch = getattr(model, "image_size", None), getattr(model, "patch_size", None)
    if not isinstance(image, int) or not isinstance(patch, int):
        return {}
    return {name: Grid(patch, 1) for name in tensors if name.endswith("pos_embedding")}


def make() -> bytes:
    """The index of the torchvision that is installed."""
    return written(entries(), {"torchvision": version("torchvision")})


def main(arguments: list[str]) -> int:
    """Write torchvision's index into the package, or with --timm that of timm into the user's cache."""
    try:
        if arguments == ["--timm"]:
            path = making_timm.make(sys.stderr)
        elif not arguments:
            path = FILE
            kept.write(path, make())
        else:
            raise EditError(f"The only argument is --timm; got {' '.join(arguments)}.")
    except (ModelviewError, OSError) as error:
        sys.stderr.write(f"modelview: {error}\n")
        return 1
    sys.stdout.write(f"Wrote {path} ({path.stat().st_size:,} bytes).\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
