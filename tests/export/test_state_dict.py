from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modelview.errors import EditError
from modelview.export.base import EXPORTS, export, filename, made
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_prefix_and_a_cast_are_taken_off_by_the_lines_that_load_it(tmp_path: Path, dtype: str) -> None:
    model = RECIPE.build()
    form = made("state_dict", {"prefix": "module.", "dtype": dtype})
    path = export(RECIPE, "state_dict", tmp_path / "out.pth", model=model, prefix="module.", dtype=dtype)
    stored = torch.load(path, weights_only=True)
    assert {name.partition(".")[0] for name in stored} == {"module"}
    assert {value.dtype for value in stored.values()} == {getattr(torch, dtype)}
    assert form.proof(RECIPE, model, path) == "Read back: 52 of 52 tensors equal."
    other = RECIPE.build()
    lines = form.loading(RECIPE, str(path)).replace("from model import build_model", "")
    exec(lines, {"build_model": lambda: other})
    assert all(
        torch.equal(v, model.state_dict()[n].to(getattr(torch, dtype)).float()) for n, v in other.state_dict().items()
    )
    nn.DataParallel(RECIPE.build()).load_state_dict(stored)


def test_a_view_of_a_large_storage_is_written_small_and_ties_stay(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].weight = model[1].weight = nn.Parameter(torch.rand(1_000_000)[:4].view(2, 2))
    path = tmp_path / "out.pth"
    made("state_dict", {}).write(RECIPE, model, path)
    assert path.stat().st_size < 5_000
    stored = torch.load(path, weights_only=True)
    assert stored["0.weight"].data_ptr() == stored["1.weight"].data_ptr()
    assert torch.equal(stored["0.weight"], model[0].weight)
    assert getattr(stored, "_metadata") == getattr(model.state_dict(), "_metadata")  # noqa: B009 - not declared


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float17"}, "No dtype to write is called 'float17'. Did you mean 'float16'"),
        ({"prefix": "module"}, "A prefix is names that end in a dot, such as \"module.\"; got 'module'."),
        ({"prefix": 'a"; import os.'}, "A prefix is names that end in a dot"),
        ({"perfix": "module."}, "No option of state_dict is called 'perfix'. Did you mean 'prefix'"),
    ],
)
def test_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(EditError) as caught:
        export(RECIPE, "state_dict", tmp_path / "out.pth", **options)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


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
