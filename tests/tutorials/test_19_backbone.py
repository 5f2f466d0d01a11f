"""Row 19: a backbone, by dropping children, by truncation, or with an empty head; and what it is good for."""

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator

import modelview as mv
from tests.laws import check_recipe, run
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import BACKBONE, RECIPES, RESNET


@pytest.mark.parametrize("drop", [1, 2])
def test_the_first_children_in_a_sequential(drop: int) -> None:
    by_hand = nn.Sequential(*list(models.resnet18(weights=None).children())[:-drop])
    built = assert_agree(RESNET.then(mv.FirstChildren(drop)), by_hand, picture())
    assert built.out_channels == 512
    assert run(built, (picture(),)).shape == ((2, 512, 1, 1) if drop == 1 else (2, 512, 2, 2))


def test_truncated_under_its_own_names_and_squeezed() -> None:
    original = RESNET.build()
    built = RECIPES["19 truncated"].build()
    original.fc = nn.Sequential()  # the tutorial's other way: the rest of the forward stays
    assert torch.equal(run(built, (picture(),)), run(original, (picture(),)))
    assert run(built, (picture(),)).shape == (2, 512)
    assert list(built.state_dict()) == list(original.state_dict())


def test_an_empty_head() -> None:
    by_hand = models.resnet18(weights=None)
    by_hand.fc = nn.Identity()
    assert_agree(RECIPES["19 empty head"], by_hand, picture())


@pytest.mark.parametrize("recipe", [BACKBONE, RECIPES["19 first children"]], ids=repr)
def test_a_detector_takes_it(recipe: mv.Recipe) -> None:
    anchors = AnchorGenerator(sizes=((32, 64),), aspect_ratios=((1.0,),))
    detector = FasterRCNN(recipe.build(), num_classes=2, rpn_anchor_generator=anchors, min_size=64, max_size=64)
    (found,) = run(detector.eval(), ([torch.rand(3, 64, 64)],))
    assert set(found) == {"boxes", "labels", "scores"}


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2"])
def test_what_a_sequential_loses_is_said_with_both_shapes(name: str) -> None:
    (_, warning) = mv.open(name).then(mv.FirstChildren(1)).changes()[0].notes
    assert warning.startswith("This is not what the forward computes")
    assert "× 7 × 7" in warning
    assert "`classifier` gets 1 × 1" in warning


@pytest.mark.parametrize("name", ["googlenet", "vit_b_16"])
def test_what_cannot_run_so_is_refused(name: str) -> None:
    with pytest.raises(mv.EditError, match="The children do not run one after the other"):
        mv.open(name).then(mv.FirstChildren(1)).check()


def test_as_a_layer_of_another_model() -> None:
    built = RECIPES["19 with a head of its own"].build()
    assert [name for name, _ in built.named_children()] == ["backbone", "head"]
    assert run(built, (picture(),)).shape == (2, 5, 2, 2)


def test_as_a_row_of_a_container() -> None:
    """`nn.Sequential(OrderedDict(backbone=..., head=...))`, as one would write it."""
    rows = [("backbone", BACKBONE), ("head", "Conv2d(_, 5, 1)")]
    recipe = mv.open("modelview:sequential", rows=rows, input=(1, 3, 64, 64))
    by_hand = nn.Sequential()
    by_hand.add_module("backbone", BACKBONE.build())
    by_hand.add_module("head", nn.Conv2d(512, 5, kernel_size=1))
    built = check_recipe(recipe)
    assert list(built.state_dict()) == list(by_hand.state_dict())
    by_hand.load_state_dict(built.state_dict())
    assert torch.equal(run(built, (picture(),)), run(by_hand.eval(), (picture(),)))
