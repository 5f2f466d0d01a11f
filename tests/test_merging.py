"""One class where an edit changes the forward of a class that an earlier edit wrote; two where both are needed."""

import re

import pytest

import modelview as mv
from modelview import AddInput, AddOutputs, Append, Detach, FuseStages, Layer, Rename, Truncate
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from tests.laws import check_recipe

pytestmark = pytest.mark.long

FURTHER = Append((("relu", Layer("ReLU()")), ("fc1", Layer("Linear(1000, 10)"))), "wrap")


def classes(code: str) -> dict[str, str]:
    """What each class stands on, by its name."""
    return dict(re.findall(r"^class (\w+)\((.+)\):$", code, re.MULTILINE))


def edited(recipe: Recipe, *edits: Edit) -> Recipe:
    for edit in edits:
        recipe = recipe.then(edit)
    return recipe


RESNET = mv.open("resnet18")
UNET = mv.open("modelview:unet", n_channels=3, n_classes=2)
ROWS = {"inc": "DoubleConv(_, 8)", "down1": "Down(_, 16)", "up1": "Up(_, 8, bilinear=True)"}
SKIPS = mv.open("modelview:moduledict", rows=ROWS, input=(1, 3, 16, 16))
DETACHED = Detach("layer1")


@pytest.mark.parametrize(
    ("recipe", "expected", "title"),
    [
        (
            edited(RESNET, FURTHER, AddOutputs(("net",))),
            {"ResNetWithReluFc1WithNet": "nn.Module"},
            "ResNet with 2 more layers after its output, that returns `net` beside its output.",
        ),
        (
            edited(RESNET, Truncate("layer2"), AddOutputs(("layer1",)), DETACHED),
            {"ResNetToLayer2WithLayer1DetachedAtLayer1": "nn.Module"},
            "ResNet up to `layer2`, that returns `layer1` beside its output, whose gradient ends after `layer1`.",
        ),
        (
            edited(RESNET, FuseStages(("layer1", "layer2"), 3), DETACHED),
            {"FusedResNetDetachedAtLayer1": "ResNet"},
            "ResNet that classifies by `layer1`, `layer2` together, whose gradient ends after `layer1`.",
        ),
        (
            edited(RESNET, Rename((("layer1", "first"),)), Detach("first")),
            {"RenamedResNetDetachedAtFirst": "ResNet"},
            "ResNet where `layer1` is `first`, whose gradient ends after `first`.",
        ),
        (  # a class that only takes what the model holds needs no forward of the model
            edited(RESNET, DETACHED, Truncate("layer3")),
            {"ResNetDetachedAtLayer1ToLayer3": "nn.Module"},
            "ResNet whose gradient ends after `layer1`, up to `layer3`.",
        ),
        (
            edited(RESNET, DETACHED, FuseStages(("layer1", "layer2"), 3, style="wrap")),
            {"FusedResNetDetachedAtLayer1": "nn.Module"},
            "ResNet whose gradient ends after `layer1`, that classifies by `layer1`, `layer2` together.",
        ),
    ],
)
def test_one_is_enough(recipe: Recipe, expected: dict[str, str], title: str) -> None:
    code = recipe.code()
    assert classes(code) == expected
    assert f'"""{title}"""' in code
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (  # it calls the forward of the other
            edited(RESNET, AddInput("age", 2), AddInput("height", 1, style="keep")),
            {"ResNetWithAge": "nn.Module", "ResNetWithAgeWithHeight": "ResNetWithAge"},
        ),
        (
            edited(RESNET, DETACHED, AddInput("age", 2)),
            {"ResNetDetachedAtLayer1": "ResNet", "ResNetDetachedAtLayer1WithAge": "nn.Module"},
        ),
        (  # its parts stand in a module that the other made
            edited(RESNET, FURTHER, FuseStages(("net.layer1", "net.layer2"), 3, style="wrap")),
            {"ResNetWithReluFc1": "nn.Module", "FusedResNetWithReluFc1": "nn.Module"},
        ),
        (  # an argument of the other would say nothing any more
            edited(SKIPS, Detach("layers.down1")),
            {"SkipDict": "nn.Module", "SkipDictDetachedAtLayersDown1": "SkipDict"},
        ),
    ],
)
def test_both_are_needed(recipe: Recipe, expected: dict[str, str]) -> None:
    found = classes(recipe.code())
    assert {name: base for name, base in found.items() if name in expected} == expected
    check_recipe(recipe)


def test_a_class_that_the_source_wrote_takes_the_new_forward() -> None:
    recipe = edited(UNET, Detach("down1"))
    code = recipe.code()
    assert "UNet" not in classes(code)
    assert (
        "class UNetDetachedAtDown1(nn.Module):\n"
        '    """UNet whose gradient ends after `down1`.\n\n    Four steps down, four up' in code
    )
    assert "model = UNetDetachedAtDown1(n_channels=3, n_classes=2)" in code
    check_recipe(recipe)


def test_what_nothing_reads_any_more_is_not_imported() -> None:
    code = edited(RESNET, FuseStages(("layer1", "layer2"), 3), DETACHED, Truncate("layer2")).code()
    assert "from torch.nn import functional as F" not in code
    assert "from torchvision.models import ResNet" not in code
