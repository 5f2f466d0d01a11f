"""Which layers of a model depend on the number of classes: those that differ when it is built with another."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from modelview.sources.base import Source


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
