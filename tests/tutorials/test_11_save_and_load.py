"""Row 11: save and load, whole or by state_dict; what is in the file decides, whatever its suffix."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import modelview as mv
from modelview import files
from modelview.cli import main
from modelview.recognised import recognise
from tests.laws import run
from tests.tutorials.comparing import picture

# The tutorial's own.


class M(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.liner1 = nn.Linear(10, 20)
        self.liner2 = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.liner2(self.liner1(x))


def load_by_hand(path: Path) -> nn.Module:
    model = models.resnet18(weights=None)
    content = torch.load(path, weights_only=False)
    model.load_state_dict(content.state_dict() if isinstance(content, nn.Module) else content)
    return model.eval()


# Compared with modelview's.


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".pth", ".bin"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "state_dict"])
def test_each_opens_as_the_model_that_was_saved(whole: bool, suffix: str, tmp_path: Path) -> None:
    model, path = models.resnet18(weights=None).eval(), tmp_path / f"net{suffix}"
    torch.save(model if whole else model.state_dict(), path)
    recipe = mv.open(path)
    assert recipe.source == mv.open("resnet18").source
    assert torch.equal(run(recipe.build(), (picture(),)), run(load_by_hand(path), (picture(),)))
    assert str(recipe.build()) == str(model)


@pytest.mark.parametrize("form", ["state_dict", "module"])
def test_what_is_saved_loads_by_hand(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one's own session and by the command line."""
    recipe = mv.open("resnet18")
    path = mv.export(recipe, form, tmp_path / "ours.pth")
    assert torch.equal(run(load_by_hand(path), (picture(),)), run(recipe.build(), (picture(),)))
    saved, again = str(tmp_path / "recipe.json"), tmp_path / "again.pth"
    assert main(["open", "resnet18", "-o", saved]) == 0
    assert main(["export", saved, "--format", form, "-o", str(again)]) == 0, capsys.readouterr().err
    assert torch.equal(run(load_by_hand(again), (picture(),)), run(recipe.build(), (picture(),)))


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, M]:
    """A whole M, saved in a program whose module is not here any more."""
    module: Any = ModuleType("their_program")
    module.M = M
    monkeypatch.setattr(M, "__module__", "their_program")
    monkeypatch.setitem(sys.modules, "their_program", module)
    model = M().eval()
    torch.save(model, tmp_path / "m.pkl")
    monkeypatch.delitem(sys.modules, "their_program")
    return tmp_path / "m.pkl", model


def test_a_whole_model_of_ones_own_class_is_read_without_it(theirs: tuple[Path, M]) -> None:
    path, model = theirs
    with pytest.raises((ModuleNotFoundError, AttributeError)):
        torch.load(path, weights_only=False)
    ck = mv.read(path)
    assert list(ck.tensors) == list(model.state_dict())
    assert "their_program.M" in ck.unsafe
    found = recognise(files.give(path))
    assert "their_program.M, whose class was not imported" in found.sentence
    assert "as its children in the stored order; that its forward runs them so is assumed" in found.sentence
    built, x = found.recipe.build(), torch.rand(3, 10)
    assert list(built.state_dict()) == list(model.state_dict())
    assert torch.equal(run(built, (x,)), run(model, (x,)))


OWN = """
from torch import nn


class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.liner1 = nn.Linear(10, 20)
        self.liner2 = nn.Linear(20, 5)

    def forward(self, x):
        return self.liner2(self.liner1(x).relu())
"""


def test_or_run_through_ones_own_factory(
    theirs: tuple[Path, M], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = theirs
    (tmp_path / "my_program_of_row_11.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = mv.open("my_program_of_row_11:M", input=(1, 10)).then(mv.LoadWeights(path))
    x = torch.rand(3, 10)
    expected = run(model.liner2, (run(model.liner1, (x,)).relu(),))
    assert torch.equal(run(recipe.build(), (x,)), expected)


def test_a_bound_state_dict_saved_by_mistake_still_gives_its_weights(tmp_path: Path) -> None:
    """`torch.save(model.state_dict, path)`, without the parentheses, saves the method and the model with it."""
    model = models.resnet18(weights=None).eval()
    torch.save(model.state_dict, tmp_path / "net.pth")
    ck = mv.read(tmp_path / "net.pth")
    assert any("state_dict" in note for note in ck.notes), ck.notes
    recipe = mv.open(tmp_path / "net.pth")
    assert torch.equal(run(recipe.build(), (picture(),)), run(model, (picture(),)))
