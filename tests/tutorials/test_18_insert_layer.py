"""Row 18: a layer before or after any module, at the right width."""

from collections import OrderedDict

from torch import nn
from torchvision import models

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES


def test_after_a_stage() -> None:
    by_hand = models.resnet18(weights=None)
    by_hand.layer1 = nn.Sequential(by_hand.layer1, nn.Conv2d(64, 64, kernel_size=1))
    assert_agree(RECIPES["18 after a stage"], by_hand, picture())


def test_before_the_head() -> None:
    by_hand = models.resnet18(weights=None)
    by_hand.fc = nn.Sequential(nn.Dropout(0.2), by_hand.fc)
    assert_agree(RECIPES["18 before the head"], by_hand, picture())


def test_into_a_sequential_which_is_numbered_anew() -> None:
    by_hand = models.squeezenet1_1(weights=None)
    by_hand.features.insert(1, nn.BatchNorm2d(64))
    recipe = mv.open("squeezenet1_1").then(mv.InsertLayer("features.0", mv.Layer("BatchNorm2d()")))
    assert_agree(recipe, by_hand, picture())


def test_into_a_sequential_under_a_name() -> None:
    by_hand = models.squeezenet1_1(weights=None)
    rows = list(by_hand.features.named_children())
    rows.insert(1, ("norm", nn.BatchNorm2d(64)))
    by_hand.features = nn.Sequential(OrderedDict(rows))
    assert_agree(RECIPES["18 under a name"], by_hand, picture())
