"""Exported code keeps to its width whatever modules are called, and is right all the same."""

import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from modelview.sources.factory import allow
from tests.laws import check_recipe

NAMES = [f"level_{number:02d}_with_a_name_of_thirty" for number in range(10)]
NETS = f'''
from torch import nn

NAMES = {NAMES}


class Nested(nn.Module):
    """A ModuleDict in a ModuleDict, ten deep."""

    def __init__(self, name="the_innermost_convolution"):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        inner = nn.ModuleDict({{name: nn.Conv2d(4, 4, 3), "norm": nn.BatchNorm2d(4), "head": nn.Linear(4, 5)}})
        for level in NAMES:
            inner = nn.ModuleDict({{level: inner}})
        self.body, self.name = inner, name

    def forward(self, x):
        inner = self.body
        for level in reversed(NAMES):
            inner = inner[level]
        x = inner["norm"](inner[self.name](self.stem(x)))
        return inner["head"](x.mean((2, 3)))


class Stopped(Nested):
    """One whose forward cannot be recorded, so that hooks change it."""

    def forward(self, x):
        return super().forward(x) if len(list(x)) else x
'''
RULES = ["check", "--isolated", "--select", "E,F,W,I,UP,B", "--line-length", "110"]


def chain(name: str = "the_innermost_convolution") -> nn.Module:
    """A Sequential in a Sequential, ten deep."""
    inner = nn.Sequential(OrderedDict([(name, nn.Conv2d(4, 4, 3)), ("norm", nn.BatchNorm2d(4)), ("act", nn.ReLU())]))
    for level in NAMES:
        inner = nn.Sequential(OrderedDict([(level, inner)]))
    ends = [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("head", nn.Linear(4, 5))]
    return nn.Sequential(OrderedDict([("stem", nn.Conv2d(3, 4, 3)), ("body", inner), *ends]))


def _edits(model: nn.Module) -> dict[str, tuple[Edit, ...]]:
    """Each edit at the innermost convolution, the norm behind it or the head."""
    paths = {type(module): path for path, module in model.named_modules()}
    conv, norm, head = paths[nn.Conv2d], paths[nn.BatchNorm2d], paths[nn.Linear]
    long = "a_name_of_some_length_that_says_what_it_is_for"
    layer = 'Conv2d(4, 4, kernel_size=3, padding=1, bias=False, padding_mode="reflect")'
    return {
        "as it is": (),
        "adapt": (mv.AdaptInput(4),),
        "append": (mv.Append([(f"{long}_{number}", "Linear(5, 5)") for number in range(3)]),),
        "delete": (mv.DeleteLayer(norm),),
        "detach": (mv.Detach(conv),),
        "freeze": (mv.Freeze(conv),),
        "freeze but": (mv.Freeze("*", except_=(norm, head)),),
        "freeze norms": (mv.Freeze(norm, batchnorm="frozen"),),
        "fuse": (mv.FuseStages((conv, norm), 3),),
        "fuse wrapped": (mv.FuseStages((conv, norm), 3, style="wrap"),),
        "input inside": (mv.AddInput(at=conv, size=2),),
        "inputs": tuple(mv.AddInput(f"{long}_{number}", 2, at=conv, style="keep") for number in range(2)),
        "insert": (mv.InsertLayer(norm, layer, "around", long),),
        "outputs": (mv.AddOutputs((conv, norm)),),
        "prefix": (mv.Prefix(f"{long}.{long}.{long}."), mv.AdaptInput(4)),
        "pyramid": (mv.AddOutputs(("stem", conv), form="dict", keep_final=False),),
        "rates": (mv.LearningRates(((f"{conv}.weight", "1e-4"), (norm, "1e-3"), ("*ion.bias", "1e-2"))),),
        "replace": (mv.ReplaceLayer(conv, layer),),
        "select": (mv.SelectClasses((0, 3)),),
        "head": (mv.SwapHead(3, hidden=(8,), names=(f"{long}_1", f"{long}_2", f"{long}_3")),),
        "truncate": (mv.Truncate(conv, pool=True, flatten=True),),
        "truncate and rename": (mv.Truncate(conv), mv.Rename((("stem", f"{long}_and_more"),))),
    }


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    (tmp_path / "long_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    allow("long_nets")

    def opened(kind: str, **given: str) -> Recipe:
        if kind != "chain":
            return mv.open(f"long_nets:{kind}", input=(1, 3, 16, 16), **given)
        torch.save(chain(**given), tmp_path / "chain.pth")
        return mv.open(tmp_path / "chain.pth")

    return opened


def _linted(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "ruff", *RULES, str(folder)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("kind", ["chain", "Nested", "Stopped"])
def test_no_line_is_too_long(kind: str, opened: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    recipe = opened(kind)
    refused = []
    for name, edits in _edits(recipe.structure()).items():
        edited = Recipe(recipe.source, edits)
        try:
            edited.check()
        except mv.EditError:
            refused.append(name)
            continue
        code = edited.code()
        (tmp_path / "out" / f"{name.replace(' ', '_')}.py").write_text(code)
        marked = [line for line in code.split("\n") if "noqa" in line]
        assert all(any(len(word) > 80 for word in line.split()) for line in marked), marked
    assert len(refused) < 8, refused
    assert not (faults := _linted(tmp_path / "out")), faults


@pytest.mark.parametrize("name", ["delete", "detach", "fuse", "inputs", "pyramid", "rates", "replace", "truncate"])
def test_it_is_right_all_the_same(name: str, opened: Callable[..., Recipe]) -> None:
    recipe = opened("chain")
    for edit in _edits(recipe.structure())[name]:
        recipe = recipe.then(edit)
    check_recipe(recipe)


def test_a_name_that_is_longer_than_the_line_is_marked(opened: Callable[..., Recipe], tmp_path: Path) -> None:
    name = "x" * 120
    recipe = opened("chain", name=name)
    (path,) = (path for path, _ in recipe.structure().named_modules() if path.endswith(name))
    recipe = recipe.then(mv.ReplaceLayer(path, "Conv2d(4, 4, 1)"))
    code = recipe.code()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.py").write_text(code)
    assert [line.strip() for line in code.split("\n") if "noqa" in line] == [f"part.{name} = nn.Conv2d(  # noqa: E501"]
    assert not (faults := _linted(tmp_path / "out")), faults
    check_recipe(recipe)
