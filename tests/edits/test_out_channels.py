"""What a backbone says of its width stays true, whatever is done to it next."""

import pytest
import torch

import modelview as mv
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from tests.edits.subjects import RESNET
from tests.laws import check_recipe

pytestmark = pytest.mark.long

CHILDREN = RESNET.then(mv.FirstChildren(2))
CUT = RESNET.then(mv.Truncate("layer3"))


@pytest.mark.parametrize(
    ("recipe", "edit", "width"),
    [
        (CHILDREN, mv.InsertLayer("7", "ReLU()"), 512),
        (CHILDREN, mv.InsertLayer("7", "ReLU()", name="act"), 512),
        (CHILDREN, mv.InsertLayer("7", "Conv2d(512, 8, 1)"), 8),
        (CHILDREN, mv.InsertLayer("7", "Conv2d(512, 8, 1)", name="act"), 8),
        (CHILDREN, mv.Prefix("module."), 512),
        (CHILDREN, mv.Append((("conv", "Conv2d(512, 16, 1)"),)), 16),
        (CHILDREN, mv.Append((("conv", "Conv2d(512, 16, 1)"),), style="sequential"), 16),
        (CHILDREN, mv.Append((("conv", "Conv2d(512, 16, 1)"),), style="wrap"), 16),
        (CHILDREN, mv.DeleteLayer("7"), 256),
        (CHILDREN, mv.Truncate("5"), 128),
        (CUT, mv.Append((("conv", "Conv2d(256, 16, 1)"),)), 16),
        (CUT, mv.Append((("conv", "Conv2d(256, 16, 1)"),), style="wrap"), 16),
        (CUT, mv.AddInput("more", (8, 14, 14), num_outputs=None), 264),
        (CUT, mv.Prefix("a.b."), 256),
        (CUT, mv.InsertLayer("layer3", "Conv2d(256, 8, 1)"), 8),
        (CUT, mv.Rename((("layer3", "body"),)), 256),
        (CUT, mv.Detach("layer2"), 256),
        (CUT, mv.ReplaceLayer("layer3", "Conv2d(128, 24, 1)"), 24),
        (CHILDREN, mv.ReplaceLayer("7", "Conv2d(256, 24, 1)"), 24),
        (CHILDREN, mv.Freeze("7"), 512),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Edit) else None,
)
def test_it_stays_true(recipe: Recipe, edit: Edit, width: int) -> None:
    """That the code says the same is a law of every recipe."""
    built = check_recipe(recipe.then(edit))
    assert built.out_channels == width


def test_it_follows_through_several_edits() -> None:
    recipe = CUT.then(mv.Prefix("body.")).then(mv.Append((("neck", "Conv2d(256, 64, 1)"),)))
    built = check_recipe(recipe.then(mv.InsertLayer("neck", "ReLU()", name="act")))
    assert built.out_channels == 64
    assert built(torch.rand(1, 3, 64, 64)).shape[1] == 64


def test_what_has_no_such_attribute_gets_none() -> None:
    built = check_recipe(RESNET.then(mv.Append((("more", "ReLU()"),))))
    assert not hasattr(built, "out_channels")


def test_a_head_on_it_leaves_it_to_the_backbone() -> None:
    built = check_recipe(CUT.then(mv.SwapHead(3)))
    assert not hasattr(built, "out_channels")
    assert built.backbone.out_channels == 256  # type: ignore[union-attr]
