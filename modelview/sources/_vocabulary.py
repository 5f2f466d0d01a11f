"""What may be named in an argument written as Python: torch's layers, torchvision's classes, a few functions."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial
from typing import Any

from torch import nn
from torchvision.models import regnet, vgg
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import backbone_utils

from modelview.layers import KNOWN
from modelview.rewrite import import_line
from modelview.sources import _builders

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "partial": partial,
    "OrderedDict": OrderedDict,
    "make_layers": vgg.make_layers,
    "resnet_fpn_backbone": backbone_utils.resnet_fpn_backbone,
    "mobilenet_backbone": backbone_utils.mobilenet_backbone,
    "BlockParams.from_init_params": regnet.BlockParams.from_init_params,
}
"""Beside the classes and the builders; none of them reads a file, and what could download is told not to."""

_MODELS = ("from torchvision import models",)


@dataclass(frozen=True)
class Word:
    """A class or function, how code names it, and the imports for that."""

    value: Any
    text: str
    imports: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def vocabulary(module: str) -> Mapping[str, Word]:
    """Every name, plain or dotted, that may stand in an argument of a class of `module`, whose own names come first.

    Of other names that two have, such as InvertedResidual, each is known by its dotted name alone.
    """
    classes = list(_classes())
    twice = Counter(cls.__name__ for cls in classes)
    found: dict[str, Word] = {}
    for cls in classes:
        plain = cls.__module__ == module or (twice[cls.__name__] == 1 and cls.__name__ not in _layers())
        found |= _spellings(cls, plain=plain)
    for name, function in FUNCTIONS.items():
        found[name] = Word(function, name, (f"from {function.__module__} import {name.partition('.')[0]}",))
    for name in _builders.names():
        word = Word(_builders.builder(name), _builders.dotted(name), _MODELS)
        found |= {name: word, word.text: word, f"torchvision.{word.text}": word}
    own = {cls.__name__ for cls in classes if cls.__module__ == module}
    for name in _layers() - own:
        word = Word(KNOWN[name], f"nn.{name}")
        found |= {name: word, f"nn.{name}": word, f"torch.nn.{name}": word}
    return found


def _layers() -> set[str]:
    return {name for name, cls in KNOWN.items() if getattr(nn, name, None) is cls}


def _classes() -> Iterator[type]:
    """The public classes of torchvision's models and ops: modules, settings of blocks, generators of anchors."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("torchvision.models.", "torchvision.ops.")) and "._" not in name:
            for value in vars(module).values():
                own = isinstance(value, type) and value.__module__ == name and not issubclass(value, Enum)
                if own and not value.__name__.startswith("_"):
                    yield value
    yield IntermediateLayerGetter


def _spellings(cls: type, *, plain: bool) -> dict[str, Word]:
    holder = public_module(cls)
    dotted = f"{holder}.{cls.__name__}".removeprefix("torchvision.")
    if plain:
        word = Word(cls, cls.__name__, (import_line(cls),))
    else:
        word = Word(cls, dotted, (f"from torchvision import {dotted.partition('.')[0]}",))
    names = [dotted, f"torchvision.{dotted}", f"{cls.__module__}.{cls.__name__}"]
    names.append(names[-1].removeprefix("torchvision."))
    return dict.fromkeys([*names, *([cls.__name__] if plain else [])], word)


def public_module(cls: type) -> str:
    """The package nearest to the top that has the class by its name: torchvision.ops, not torchvision.ops.misc."""
    return import_line(cls).split()[1]
