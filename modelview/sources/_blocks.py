"""The blocks of composed models, as plain torch: an exported script has their source, word for word."""

# mypy: disable-error-code="no-any-return"
# Calling a layer gives Any; these classes are written as people write them.

import inspect

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modelview.script import Code


class DoubleConv(nn.Module):
    """Two 3 x 3 convolutions, each with batch-norm and ReLU; height and width stay."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int | None = None) -> None:
        super().__init__()
        mid_channels = mid_channels or out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """Half the height and width by max-pooling, then a DoubleConv."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Twice the height and width, the skip put beside it, then a DoubleConv.

    bilinear: interpolate instead of a transposed convolution. halved: then with half the width in the middle.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bilinear: bool = False,
        halved: bool = True,
    ) -> None:
        super().__init__()
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2 if halved else None)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        # where the skip's size is odd, pooling had dropped a row or a column
        rows = skip.size(2) - x.size(2)
        columns = skip.size(3) - x.size(3)
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, x], dim=1))


class OutConv(nn.Module):
    """A 1 x 1 convolution: one map a class."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(nn.Module):
    """Four steps down, four up, each with its skip: (N, n_channels, H, W) to (N, n_classes, H, W)."""

    def __init__(self, n_channels: int, n_classes: int, bilinear: bool = False, halved: bool = True) -> None:
        super().__init__()
        factor = 2 if bilinear else 1
        self.inc = DoubleConv(n_channels, 64)
        self.down1 = Down(64, 128)
        self.down2 = Down(128, 256)
        self.down3 = Down(256, 512)
        self.down4 = Down(512, 1024 // factor)
        self.up1 = Up(1024, 512 // factor, bilinear, halved)
        self.up2 = Up(512, 256 // factor, bilinear, halved)
        self.up3 = Up(256, 128 // factor, bilinear, halved)
        self.up4 = Up(128, 64, bilinear, halved)
        self.outc = OutConv(64, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x5 = self.down4(x4)
        x = self.up1(x5, x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        x = self.up4(x, x1)
        return self.outc(x)


class LayerList(nn.Module):
    """An nn.ModuleList, which has no forward of its own; this one runs its layers in the stored order."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class LayerDict(nn.Module):
    """An nn.ModuleDict, which has no forward of its own; this one runs its layers in the stored order."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers.values():
            x = layer(x)
        return x


class SkipList(nn.Module):
    """An nn.ModuleList whose layers run in the stored order; some take the output of an earlier one too.

    skips: the number of that earlier layer, by the number of the one that takes it.
    """

    def __init__(self, layers: list[nn.Module], skips: dict[int, int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        kept: dict[int, Tensor] = {}
        for number, layer in enumerate(self.layers):
            x = layer(x, kept[self.skips[number]]) if number in self.skips else layer(x)
            if number in self.skips.values():
                kept[number] = x
        return x


class SkipDict(nn.Module):
    """An nn.ModuleDict whose layers run in the stored order; some take the output of an earlier one too.

    skips: the name of that earlier layer, by the name of the one that takes it.
    """

    def __init__(self, layers: dict[str, nn.Module], skips: dict[str, str]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        kept: dict[str, Tensor] = {}
        for name, layer in self.layers.items():
            x = layer(x, kept[self.skips[name]]) if name in self.skips else layer(x)
            if name in self.skips.values():
                kept[name] = x
        return x


_NEEDS: dict[type[nn.Module], tuple[type[nn.Module], ...]] = {
    Down: (DoubleConv,),
    Up: (DoubleConv,),
    UNet: (DoubleConv, Down, Up, OutConv),
}
_FUNCTIONAL = "from torch.nn import functional as F"


def defining(block: type[nn.Module]) -> Code:
    """The source of the class, below that of the classes it is made of, and what they import."""
    sources = tuple(inspect.getsource(each) for each in (*_NEEDS.get(block, ()), block))
    functional = (_FUNCTIONAL,) if any(" F." in source for source in sources) else ()
    return Code(definitions=sources, imports=("from torch import Tensor", *functional))
