from pathlib import Path

import pytest
import torch

from modelview.errors import EditError
from modelview.export.base import EXPORTS, export, filename
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision

RECIPE = Recipe(Torchvision("squeezenet1_1"))


def test_it_reads_back_equal(tmp_path: Path) -> None:
    model = RECIPE.build()
    path = export(RECIPE, "state_dict", tmp_path / "out.pth", model=model)
    assert path == tmp_path / "out.pth"
    loaded = torch.load(path, weights_only=True)
    assert all(torch.equal(loaded[name], values) for name, values in model.state_dict().items())
    assert EXPORTS["state_dict"]().proof(RECIPE, model, path) == "Read back: 52 of 52 tensors equal."
    assert list(tmp_path.iterdir()) == [path]


def test_the_proof_can_fail(tmp_path: Path) -> None:
    model = RECIPE.build()
    path = export(RECIPE, "state_dict", tmp_path / "out.pth", model=model)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1e-3
    with pytest.raises(EditError, match="does not read back as it was written"):
        EXPORTS["state_dict"]().proof(RECIPE, model, path)


def test_equal_recipes_give_equal_files(tmp_path: Path) -> None:
    first, second = (torch.load(export(RECIPE, "state_dict", tmp_path / n), weights_only=True) for n in ("a", "b"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere/out.pth", "There is no folder"), (".", "is a folder; name a file in it, such as")],
)
def test_refusals_leave_nothing_behind(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EditError, match=message):
        export(RECIPE, "state_dict", tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.pth"
    path.write_text("old")

    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space left"):
        export(RECIPE, "state_dict", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_sensible() -> None:
    assert [filename(RECIPE, name) for name in ("state_dict", "module", "python", "recipe")] == [
        "squeezenet1_1_state_dict.pth",
        "squeezenet1_1_module.pth",
        "model.py",
        "squeezenet1_1_recipe.json",
    ]
