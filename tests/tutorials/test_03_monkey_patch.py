"""Row 3: the plain assignment, to the right attribute of every family."""

from typing import Any

import pytest
from torch import nn
from torchvision import models

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture


def assigned(name: str, attribute: str, index: str, width: int) -> Any:
    """`model.fc = nn.Linear(width, 1)`, or the row of a Sequential."""
    model = models.get_model(name, weights=None)
    if index:
        getattr(model, attribute)[int(index)] = nn.Linear(width, 1)
    else:
        setattr(model, attribute, nn.Linear(width, 1))
    return model


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "attribute", "index", "width"),
    [
        ("resnet50", "fc", "", 2048),
        ("shufflenet_v2_x0_5", "fc", "", 1024),
        ("mobilenet_v3_small", "classifier", "3", 1024),
        ("regnet_y_400mf", "fc", "", 440),
        ("densenet121", "classifier", "", 1024),
    ],
)
def test_the_head_becomes_one_number(name: str, attribute: str, index: str, width: int) -> None:
    recipe = mv.open(name).then(mv.SwapHead(1))
    place = f"model.{attribute}[{index}]" if index else f"model.{attribute}"
    assert f"{place} = nn.Linear({width}, 1)" in recipe.code()
    assert_agree(recipe, assigned(name, attribute, index, width), picture(2, 32))
