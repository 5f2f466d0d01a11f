"""Each row of the tutorials on the screen and on the command line: the same recipe, the same code, the same tables."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import modelview as mv
from modelview.cli import main
from modelview.edits.load_weights import LoadWeights
from modelview.recipe import Recipe
from modelview.ui.card import number
from modelview.ui.state import SESSION, Session
from tests.pages.app import errors, session, start
from tests.pages.filling import by_hand
from tests.pages.screen import page
from tests.tutorials.comparing import from_command_line
from tests.tutorials.recipes import FROZEN, LOADED, OPENED, RECIPES, RESNET, of_files


@pytest.mark.long
@pytest.mark.parametrize("name", RECIPES)
def test_on_the_screen(name: str) -> None:
    at = by_hand(RECIPES[name])
    assert session(at).recipe == RECIPES[name]
    assert RECIPES[name].code().rstrip("\n") in [str(shown.value).rstrip("\n") for shown in at.code]


@pytest.mark.parametrize("name", RECIPES)
def test_on_the_command_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.json"
    assert from_command_line(RECIPES[name], path) == RECIPES[name]
    assert printed(capsys, "code", str(path)).rstrip("\n") == RECIPES[name].code().rstrip("\n")


@pytest.mark.long
@pytest.mark.parametrize("name", LOADED)
def test_with_a_file(name: str, tmp_path: Path) -> None:
    recipe = of_files(tmp_path)[name]
    (file,) = (edit.file for edit in recipe.edits if isinstance(edit, LoadWeights))
    assert session(by_hand(recipe, file)).recipe == recipe
    assert from_command_line(recipe, tmp_path / "recipe.json", [tmp_path / file.name]) == recipe


@pytest.mark.parametrize("name", OPENED)
def test_a_file_opens_as_the_same(name: str, tmp_path: Path) -> None:
    recipe = of_files(tmp_path)[name]
    (file,) = (edit.file for edit in recipe.edits if isinstance(edit, LoadWeights))
    at = start()
    at.session_state[SESSION] = Session(files=(file,))
    at.run().button(key="open_file").click().run()
    assert not errors(at)
    assert session(at).recipe == recipe
    assert main(["open", str(tmp_path / file.name), "-o", str(tmp_path / "recipe.json")]) == 0
    assert Recipe.from_json((tmp_path / "recipe.json").read_text()) == recipe


def test_a_look(capsys: pytest.CaptureFixture[str]) -> None:
    """Row 9: the modules, on the Layers page and by `inspect`."""
    expected = [row.path for row in mv.modules(mv.trace(RESNET))]
    shown = page("Layers", RESNET).dataframe[0].value
    assert ["" if name == "(the model)" else name for name in shown["Module"]] == expected
    assert [row["path"] for row in printed_json(capsys, "inspect", "resnet18")["modules"]] == expected


def test_hooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Row 10: the outputs of chosen layers, on the Features page and by `features`."""
    found = mv.features(RESNET, paths="layer?")
    at = page("Features", RESNET)
    at.text_input(key="features.patterns").input("layer?").run()
    at.button(key="features.run").click().run()
    said = "\n".join(element.value for element in (*at.markdown, *at.caption)).replace("\u2009", " ")
    for row in found:
        assert f"`{row.path}`" in said
        assert " × ".join(map(str, row.shape)) in said
        assert f"mean {number(row.mean)}" in said
    path = str(mv.export(RESNET, "recipe", tmp_path / "recipe.json"))
    rows = printed_json(capsys, "features", path, "--path", "layer?")["features"]
    assert [{**row, "shape": tuple(row["shape"])} for row in rows] == [asdict(row) for row in found]


def test_which_parameters_learn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Row 20: the table of one step, on the Features page and by `gradients`."""
    path = mv.export(FROZEN, "recipe", tmp_path / "recipe.json")
    rows = [(row.name, row.gradient, row.moved) for row in mv.gradients(FROZEN)]
    found = printed_json(capsys, "gradients", str(path))["gradients"]
    assert [(row["name"], row["gradient"], row["moved"]) for row in found] == rows
    at = page("Features", FROZEN).button(key="gradients.run").click().run()
    table = at.dataframe[0].value
    moved = table[table["Moved"] & table["Gradient"]]["Name"]
    assert list(moved) == [name for name, gradient, moved in rows if gradient and moved]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints."""
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def printed_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command prints with --json."""
    return json.loads(printed(capsys, *arguments, "--json"))
