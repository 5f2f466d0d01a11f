"""Row 6: the head becomes a Sequential of named layers."""

from collections import OrderedDict

import pytest
from torch import nn
from torchvision import models

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture


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
    recipe = mv.open("resnet50").then(mv.SwapHead(10, hidden=(128,), dropout=0.5, softmax=True))
    built = assert_agree(recipe, by_hand(), picture(2, 32))
    assert str(built) == str(by_hand())
    (note,) = recipe.changes()[0].notes
    assert "CrossEntropyLoss applies its own" in note


def test_names_are_the_users() -> None:
    names = ("hidden", "act", "drop", "classes", "probability")
    recipe = mv.open("resnet18").then(mv.SwapHead(4, (8,), names, "GELU", dropout=0.1, softmax=True))
    assert [name for name, _ in recipe.structure().fc.named_children()] == list(names)
