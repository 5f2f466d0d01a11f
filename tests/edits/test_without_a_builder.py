"""Every edit on models that no builder of torchvision makes: saved whole, composed of rows, and of one's own code."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.resnet import BasicBlock

import modelview as mv
from modelview.edits.base import Edit
from modelview.errors import EditError
from modelview.recipe import Recipe
from tests.edits import own_code
from tests.families import edits_of
from tests.laws import check_recipe, pictures_of

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.body(self.stem(x))
        return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def build():
    return Net()
"""
ROWS = {
    **{"conv": "Conv2d(_, 8, 3)", "relu": "ReLU()", "more": "Conv2d(_, 16, 3)", "pool": "AdaptiveAvgPool2d(1)"},
    **{"flat": "Flatten()", "head": "Linear(_, 4)"},
}
SKIP = {"inc": "DoubleConv(_, 8)", "down": "Down(_, 16)", "up": 'Up(_, 8, True, skip="inc")', "outc": "OutConv(_, 4)"}
NO_OTHERS = {"FirstChildren": "The model has no two children, so none can be left out."}
BY_KEY = {**NO_OTHERS, "Rename inside": "`layers.more` is a child of a ModuleDict, which has no forward of its own:"}
BY_NUMBER = {**NO_OTHERS, "Rename inside": "`layers.2` is a child of a ModuleList, which has no forward of its own:"}
REFUSED: dict[str, dict[str, str]] = {
    "a network saved whole": {"DeleteLayer next": "After `layer3.0.downsample.0` comes `layer3.0`, whose width cannot"},
    "a Sequential saved whole": {"DeleteLayer next": "No layer with weights takes what `4` returns, so there is none"},
    "sequential": {},
    "moduledict": BY_KEY,
    "modulelist": BY_NUMBER,
    "blocks with a skip": NO_OTHERS,
    "unet": {"FirstChildren": "The children do not run one after the other, since the forward does more than call"},
    "a factory": {},
}
"""Which edits each refuses, and how; the others hold the laws."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no_builder")
    own_code.write(folder, "own_net", NET)
    torch.manual_seed(0)
    whole = models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4)
    whole.relu = nn.ReLU6()  # type: ignore[assignment]  # so that no builder makes it
    torch.save(whole, folder / "whole.pth")
    rows = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    torch.save(rows, folder / "rows.pth")
    return folder


def opened(name: str, folder: Path) -> Recipe:
    if name == "a network saved whole":
        return mv.open(folder / "whole.pth")
    if name == "a Sequential saved whole":
        return mv.open(folder / "rows.pth")
    if name == "a factory":
        return mv.open("own_net:build", input=(1, 3, 32, 32))
    if name == "unet":
        return mv.open("modelview:unet", n_channels=3, n_classes=4)
    if name == "blocks with a skip":
        return mv.open("modelview:moduledict", rows=SKIP, input=(1, 3, 32, 48))
    rows = list(ROWS.values()) if name == "modulelist" else ROWS
    return mv.open(f"modelview:{name}", rows=rows, input=(1, 3, 32, 32))


@pytest.mark.long
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "unet" else n for n in REFUSED])
def test_every_edit_holds_the_laws_or_says_why_not(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_code.allow_anew(folder, monkeypatch)
    recipe = opened(name, folder)
    refused = {}
    for label, edit in edits_of(recipe, folder).items():
        changed = recipe.then(edit)
        try:
            changed.check()
        except EditError as error:
            refused[label] = str(error)
            continue
        check_recipe(changed, inputs=pictures_of(changed, (32, 48)))
    assert refused.keys() == REFUSED[name].keys()
    for label, said in refused.items():
        assert said.startswith(REFUSED[name][label])
        assert said.endswith(".")


def _further(first: str, inner: str) -> dict[str, Edit]:
    """The forms of edits that the one of each has not, at a convolution and the layer behind it."""
    return {
        "AddInput before the head, kept": mv.AddInput(where="before", size=2, style="keep"),
        "Append wrapped": mv.Append([("last", "Linear(4, 2)")], style="wrap"),
        "FuseStages wrapped": mv.FuseStages((first, inner), 3, style="wrap"),
        "Truncate pooled": mv.Truncate(inner, pool=True, flatten=True),
    }


PATHS = {
    "sequential": ("conv", "relu"),
    "moduledict": ("layers.conv", "layers.relu"),
    "modulelist": ("layers.0", "layers.1"),
}


@pytest.mark.parametrize("label", _further("", ""))
@pytest.mark.parametrize("name", PATHS)
def test_so_do_the_further_forms(name: str, label: str, tmp_path: Path) -> None:
    check_recipe(opened(name, tmp_path).then(_further(*PATHS[name])[label]))


@pytest.mark.parametrize("edit", [mv.SwapHead(3), mv.SelectClasses((0, 3)), mv.AddInput(where="before", size=2)])
def test_the_head_is_known_still_when_there_are_other_outputs(edit: Edit, tmp_path: Path) -> None:
    recipe = opened("sequential", tmp_path).then(mv.AddOutputs(("conv", "relu"))).then(edit)
    built = check_recipe(recipe)
    assert next(reversed(list(built.parameters()))).shape[0] == {mv.SwapHead: 3, mv.SelectClasses: 2}.get(type(edit), 4)
