"""The U-Net that is widely shared: blocks DoubleConv, Down, Up and OutConv under the names its checkpoints have."""

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.script import Code
from modelview.seeds import require_seed
from modelview.sources import _blocks
from modelview.sources._making import (
    for_real,
    on_meta,
    require_flag,
    require_known,
    require_number,
)
from modelview.sources.base import SOURCES, Progress, Shape, Source

SIDE = 256
"""Height and width of the example; any from 16 up will do, odd ones as well."""


@SOURCES.register("unet")
@dataclass(frozen=True)
class UNet(Source):
    """A U-Net from `n_channels` to one map for each of `n_classes`, of the input's height and width.

    bilinear: up-sampling by interpolation instead of transposed convolutions. halved: then with half the width in the
    middle of each step up, as newer checkpoints have it. Raises EditError for values that cannot be.

    >>> sum(p.numel() for p in UNet(3, 2).structure().parameters())
    31037698
    """

    n_channels: int = 3
    n_classes: int = 2
    bilinear: bool = False
    halved: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("n_channels", self.n_channels)
        require_number("n_classes", self.n_classes)
        require_flag("bilinear", self.bilinear)
        require_flag("halved", self.halved)
        require_seed(self.seed)
        if not self.halved and not self.bilinear:
            raise EditError("halved=False is a form of bilinear up-sampling: give bilinear=True with it.")

    @property
    def title(self) -> str:
        return "unet"

    @property
    def origin(self) -> str:
        return f"modelview · {self._call} · random weights, seed {self.seed}"

    @property
    def example(self) -> tuple[Shape, ...]:
        return ((1, self.n_channels, SIDE, SIDE),)

    def structure(self) -> nn.Module:
        return on_meta(self._call, self._make)

    def load(self, progress: Progress | None = None) -> nn.Module:  # noqa: ARG002 - nothing is downloaded
        return for_real(self._call, self._make, self.seed)

    def code(self) -> Code:
        classes = _blocks.defining(_blocks.UNet)
        return Code((f"model = {self._call}",), definitions=classes.definitions, imports=classes.imports)

    def with_classes(self, num_classes: int) -> Source:
        return replace(self, n_classes=num_classes)

    def _make(self) -> nn.Module:
        return _blocks.UNet(self.n_channels, self.n_classes, self.bilinear, self.halved)

    @property
    def _call(self) -> str:
        flags = [f"{name}=True" for name in ("bilinear",) if getattr(self, name)]
        flags += [] if self.halved else ["halved=False"]
        return f"UNet({', '.join([f'n_channels={self.n_channels}', f'n_classes={self.n_classes}', *flags])})"


def unet(**keywords: Any) -> UNet:
    """The U-Net with these values of its fields, looked at closely enough that it can be built.

    Raises EditError for keywords or values that it does not take.
    """
    require_known("modelview:unet", keywords, ("n_channels", "n_classes", "bilinear", "halved", "seed"))
    source = UNet(**keywords)
    source.structure()
    return source
