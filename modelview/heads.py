"""Which layers of a model depend on the number of classes: those that differ when it is built with another."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from modelview.errors import EditError
from modelview.sources.base import Source
from modelview.structure import Structure
from modelview.trace.shapes import is_shape


@dataclass(frozen=True)
class HeadSites:
    """Everything in a model that follows its number of classes.

    layers: (path, module as it is, module for the new number), both on meta, in the model's own order.
    attributes: (module path, attribute, new value), plain numbers kept beside the layers.
    """

    layers: tuple[tuple[str, nn.Module, nn.Module], ...]
    attributes: tuple[tuple[str, str, int], ...]


def head_sites(source: Source, num_classes: int) -> HeadSites:
    """What has to change in `source` for `num_classes` classes, whatever their number is now.

    Auxiliary heads and every predictor of a detection model are among the layers.
    Raises EditError for a source without classes and for numbers that cannot be.
    """
    old = _structure(source)
    new = _structure(source.with_classes(num_classes))
    other = new
    if not _owners(old, new):  # it has this very number already, so a third one tells what follows it
        other = _structure(source.with_classes(num_classes + 1))
    paths = _owners(old, other)
    layers = tuple((path, old.get_submodule(path), new.get_submodule(path)) for path in paths)
    return HeadSites(layers, tuple(_attributes(old, new, other, paths)))


def head_paths(before: Structure) -> tuple[str, ...]:
    """Paths of the layers that predict the classes, auxiliary ones left out; () where there are none."""
    if before.heads is not None:
        modules = dict(before.model.named_modules(remove_duplicate=False))
        return tuple(path for path in before.heads if path in modules)
    if before.source.heads_by_output:
        return tuple(filter(None, [output_layer(before)]))
    try:
        found = head_sites(before.source, 7).layers
    except EditError:  # a model without classes
        return ()
    paths = (before.now(path) for path, _, _ in found if not is_auxiliary(path))
    return tuple(path for path in paths if path is not None)


def is_auxiliary(path: str) -> bool:
    """Whether the layer only helps training, as the aux heads of googlenet and deeplab do."""
    return any(name.lower().startswith("aux") for name in path.split("."))


def output_layer(before: Structure) -> str:
    """Path of the last Linear or convolution that runs and is as wide as the output; "" where there is none."""
    shape = before.trace.output
    if not is_shape(shape) or len(shape) < 2:
        return ""
    modules = dict(before.model.named_modules(remove_duplicate=False))
    for call in before.trace.calls[::-1]:
        module = modules[call.path]
        width = getattr(module, "out_features", getattr(module, "out_channels", None))
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) and width == shape[1]:
            return call.path
    return ""


@lru_cache(maxsize=8)
def _structure(source: Source) -> nn.Module:
    """The source's structure, kept to be compared with: a form asks for one number after the other."""
    return source.structure()


def _owners(old: nn.Module, new: nn.Module) -> list[str]:
    """Paths of the modules that hold a parameter or buffer of another shape in `new`."""
    shapes = {name: p.shape for name, p in [*new.named_parameters(), *new.named_buffers()]}
    changed = (name for name, p in [*old.named_parameters(), *old.named_buffers()] if shapes.get(name) != p.shape)
    return list(dict.fromkeys(name.rpartition(".")[0] for name in changed))


def _attributes(old: nn.Module, new: nn.Module, other: nn.Module, paths: list[str]) -> Iterator[tuple[str, str, int]]:
    others, news = dict(other.named_modules()), dict(new.named_modules())
    for path, module in old.named_modules():
        if path in paths or path not in others:
            continue
        for name, value in vars(module).items():
            if type(value) is int and getattr(others[path], name, value) != value:
                yield path, name, getattr(news[path], name)
