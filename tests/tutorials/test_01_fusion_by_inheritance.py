"""Row 1: a ResNet whose forward pools the outputs of its four stages, joins them, and feeds one Linear."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES, STAGES


class CustomizedResNet(ResNet):
    """The tutorial's."""

    def __init__(self, block: Any, layers: list[int], num_classes: int = 1) -> None:
        super().__init__(block, layers)
        self.fc = nn.Linear(int(512 * block.expansion * 1.875), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x1 = self.layer1(x)
        x2 = self.layer2(x1)
        x3 = self.layer3(x2)
        x4 = self.layer4(x3)
        x = torch.cat([self.avgpool(x1), self.avgpool(x2), self.avgpool(x3), self.avgpool(x4)], dim=1)
        x = torch.flatten(x, 1)
        return self.fc(x)  # type: ignore[no-any-return]


def test_of_a_resnet18() -> None:
    recipe = RECIPES["1 fusion by inheritance"]
    built = assert_agree(recipe, CustomizedResNet(BasicBlock, [2, 2, 2, 2]), picture())
    assert built.fc.in_features == 960
    assert "class FusedResNet(ResNet):" in recipe.code()


@pytest.mark.long
def test_of_a_resnet50_it_is_3840_wide() -> None:
    recipe = mv.open("resnet50").then(mv.FuseStages(STAGES, 1))
    built = assert_agree(recipe, CustomizedResNet(Bottleneck, [3, 4, 6, 3]), picture(1, 32))
    assert built.fc.in_features == 3840


@pytest.mark.long
def test_of_a_resnet_that_has_no_builder() -> None:
    assert_agree(RECIPES["1 of a resnet without a builder"], CustomizedResNet(Bottleneck, [1, 2, 1, 1]), picture())
    long = mv.open("torchvision:ResNet", block="Bottleneck", layers=(3, 24, 36, 3)).then(mv.FuseStages(STAGES, 1))
    assert long.check().output == (1, 1)
