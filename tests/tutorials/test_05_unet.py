"""Row 5: U-Net from blocks, as the tutorial writes it in plain torch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import modelview as mv
from modelview import files
from tests.laws import run
from tests.runner import runner

# The tutorial's own.


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, mid_channels: int | None = None) -> None:
        super().__init__()
        if not mid_channels:
            mid_channels = out_channels
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
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, bilinear: bool, halved: bool) -> None:
        super().__init__()
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, in_channels // 2 if halved else None)
        else:
            self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        x1 = self.up(x1)
        diff_y = x2.size()[2] - x1.size()[2]
        diff_x = x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [diff_x // 2, diff_x - diff_x // 2, diff_y // 2, diff_y - diff_y // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class OutConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(nn.Module):
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


# Compared with modelview's.

FORMS = [(3, 2, False, True), (3, 1, True, True), (3, 1, True, False)]
ODD = torch.rand(1, 3, 37, 50, generator=torch.Generator().manual_seed(0))


def opened(n_channels: int, n_classes: int, bilinear: bool, halved: bool) -> mv.Recipe:
    return mv.open("modelview:unet", n_channels=n_channels, n_classes=n_classes, bilinear=bilinear, halved=halved)


@pytest.mark.parametrize(("form", "n_parameters"), [*zip(FORMS, (31_037_698, 17_262_977, 13_391_361), strict=True)])
def test_same_keys_shapes_outputs_and_trainable_set(form: tuple[int, int, bool, bool], n_parameters: int) -> None:
    theirs = UNet(*form).eval()
    ours = opened(*form).build()
    assert sum(p.numel() for p in theirs.parameters()) == n_parameters
    shapes = [[(name, value.shape) for name, value in model.state_dict().items()] for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(run(ours, (ODD,)), run(theirs, (ODD,)))
    assert all(parameter.requires_grad for parameter in ours.parameters())
    assert [name for name, _ in ours.named_children()] == [name for name, _ in theirs.named_children()]


@pytest.mark.parametrize("form", FORMS)
def test_a_shared_checkpoint_loads(form: tuple[int, int, bool, bool], tmp_path: Path) -> None:
    theirs = UNet(*form).eval()
    torch.save(theirs.state_dict(), tmp_path / "unet_carvana.pth")
    recipe = opened(*form).then(mv.LoadWeights(files.give(tmp_path / "unet_carvana.pth")))
    assert torch.equal(run(recipe.build(), (ODD,)), run(theirs, (ODD,)))


@pytest.mark.parametrize("form", FORMS)
def test_the_exported_code_is_the_tutorial_s_model(form: tuple[int, int, bool, bool], tmp_path: Path) -> None:
    theirs = UNet(*form).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    answer = runner().ask(code=opened(*form).code(), weights=str(tmp_path / "weights.pth"), inputs=(ODD,))
    assert torch.equal(answer["outputs"], run(theirs, (ODD,)))
