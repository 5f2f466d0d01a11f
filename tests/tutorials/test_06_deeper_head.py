"""Row 6: the head becomes a Sequential of named layers."""

from collections import OrderedDict

import pytest
from torch import nn
from torchvision import models

from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES


def by_hand() -> nn.Module:
    model = models.resnet50(weights=None)
    model.fc = nn.Sequential(
        OrderedDict(
            [
                ("fc1", nn.Linear(2048, 128)),
                ("relu1", nn.ReLU()),
                ("dropout1", nn.Dropout(0.5)),
                ("fc2", nn.Linear(128, 10)),
                ("output", nn.Softmax(dim=1)),
            ]
        )
    )
    return model


@pytest.mark.long
def test_it_is_the_tutorials() -> None:
    recipe = RECIPES["6 deeper head"]
    built = assert_agree(recipe, by_hand(), picture(2, 32))
    assert str(built) == str(by_hand())
    (note,) = recipe.changes()[0].notes
    assert "CrossEntropyLoss applies its own" in note


def test_names_are_the_users() -> None:
    head = RECIPES["6 names of one's own"].structure().fc
    assert [name for name, _ in head.named_children()] == ["hidden", "act", "drop", "classes", "probability"]
