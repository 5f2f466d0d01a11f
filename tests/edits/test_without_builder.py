"""Edits on models that no torchvision builder makes: composed ones, a class with its arguments, a U-Net."""

from typing import Any

import pytest

import modelview as mv
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from tests.laws import check_recipe

ROWS = (
    ("conv", "Conv2d(3, 8, 3, padding=1)"),
    ("norm", "BatchNorm2d(_)"),
    ("relu", "ReLU()"),
    ("pool", "AdaptiveAvgPool2d(1)"),
    ("flat", "Flatten(1)"),
    ("fc", "Linear(_, 6)"),
)
SOURCES: dict[str, dict[str, Any]] = {
    "modelview:sequential": {"rows": ROWS, "input": (1, 3, 16, 16)},
    "modelview:modulelist": {"rows": tuple(layer for _, layer in ROWS), "input": (1, 3, 16, 16)},
    "modelview:moduledict": {"rows": ROWS, "input": (1, 3, 16, 16)},
    "torchvision:ResNet": {"block": "BasicBlock", "layers": (1, 1, 1, 1), "num_classes": 6},
}


def _edits(first: str, inner: str, last: str) -> dict[str, Edit]:
    """One of each, for a convolution, a layer behind it and the head at these paths."""
    return {
        "adapt": mv.AdaptInput(4),
        "input": mv.AddInput(num_outputs=3),
        "input before": mv.AddInput(where="before", size=2, style="keep"),
        "input inside": mv.AddInput(at=inner, size=2),
        "outputs": mv.AddOutputs((first, inner)),
        "pyramid": mv.AddOutputs((first, inner), form="dict", keep_final=False),
        "append": mv.Append([("last", "Linear(6, 2)")]),
        "append wrapped": mv.Append([("last", "Linear(6, 2)")], style="wrap"),
        "delete": mv.DeleteLayer(inner),
        "detach": mv.Detach(inner),
        "first": mv.FirstChildren(1),
        "freeze": mv.Freeze(first),
        "fuse": mv.FuseStages((first, inner), 3),
        "fuse wrapped": mv.FuseStages((first, inner), 3, style="wrap"),
        "insert": mv.InsertLayer(inner, "Dropout(0.2)"),
        "prefix": mv.Prefix("module."),
        "replace": mv.ReplaceLayer(last, "Linear(512, 2)" if first == "conv1" else "Linear(8, 2)"),
        "select": mv.SelectClasses((0, 3)),
        "head": mv.SwapHead(3),
        "truncate": mv.Truncate(inner, pool=True, flatten=True),
    }


PATHS = {
    "modelview:sequential": ("conv", "norm", "fc"),
    "modelview:modulelist": ("layers.0", "layers.1", "layers.5"),
    "modelview:moduledict": ("layers.conv", "layers.norm", "layers.fc"),
    "torchvision:ResNet": ("conv1", "bn1", "fc"),
}


@pytest.mark.parametrize("kind", _edits("", "", ""))
@pytest.mark.parametrize("spec", SOURCES)
def test_the_laws_hold(spec: str, kind: str) -> None:
    recipe = mv.open(spec, **SOURCES[spec]).then(_edits(*PATHS[spec])[kind])
    if kind == "first" and spec in ("modelview:modulelist", "modelview:moduledict"):
        with pytest.raises(mv.EditError, match="The model has 1 children"):
            recipe.check()
        return
    check_recipe(recipe)


UNET = {
    "adapt": mv.AdaptInput(1),
    "outputs": mv.AddOutputs(("inc", "down4")),
    "detach": mv.Detach("down4"),
    "fuse": mv.FuseStages(("down1", "down2", "down3"), 5),
    "head": mv.SwapHead(4),
    "insert": mv.InsertLayer("down4", "Dropout(0.2)"),
    "input": mv.AddInput(at="down4", size=3),
    "prefix": mv.Prefix("net."),
    "rename": mv.Rename((("outc", "head"),)),
    "truncate": mv.Truncate("up2"),
}


@pytest.mark.parametrize("kind", UNET)
def test_a_u_net_takes_them(kind: str) -> None:
    recipe: Recipe = mv.open("modelview:unet", n_channels=3, n_classes=2).then(UNET[kind])
    check = recipe.check()
    assert check.after.macs
    assert "import modelview" not in recipe.code()
    assert "from modelview." not in recipe.code()


@pytest.mark.parametrize("edit", [mv.SwapHead(3), mv.SelectClasses((0, 3)), mv.AddInput(where="before", size=2)])
def test_the_head_is_known_still_when_there_are_other_outputs(edit: Edit) -> None:
    source = "modelview:sequential"
    recipe = mv.open(source, **SOURCES[source]).then(mv.AddOutputs(("conv", "norm"))).then(edit)
    built = check_recipe(recipe)
    assert next(reversed(list(built.parameters()))).shape[0] == {mv.SwapHead: 3, mv.SelectClasses: 2}.get(type(edit), 6)
