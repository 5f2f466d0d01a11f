"""A recipe beside a model that was written by hand: on the screen's terms, the command line's, and as exported code."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from modelview.cli import main
from modelview.edits.base import EDITS
from modelview.recipe import Recipe
from tests.laws import check_recipe, run, trainable
from tests.zoo import exact


def picture(n: int = 2, side: int = 64) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def assert_agree(recipe: Recipe, by_hand: nn.Module, *inputs: Any, order: bool = True) -> nn.Module:
    """The same names, shapes, trainable set and, with the same values loaded, outputs to the last bit.

    `check_recipe` holds the exported code to the built model, the command line's code is that very code.
    """
    built = check_recipe(recipe, inputs=inputs)
    ours, theirs = built.state_dict(), by_hand.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in theirs.items()}
    assert not order or list(ours) == list(theirs)
    assert trainable(built) == trainable(by_hand)
    by_hand.load_state_dict(ours)
    assert exact(run(built, inputs), run(by_hand.eval(), inputs))
    assert from_command_line(recipe) == recipe
    return built


def from_command_line(recipe: Recipe) -> Recipe:
    """The recipe, written by `python -m modelview open` from the same edits as JSON."""
    document = json.loads(recipe.to_json())
    source = document["source"]
    kind, name = source.pop("kind"), source.pop("name")
    edits = [argument for edit in document["edits"] for argument in ("--edit", json.dumps(edit))]
    keywords = dict(source.pop("keywords", []))
    given = [argument for item in {**source, **keywords}.items() for argument in ("--with", _said(*item))]
    spec = name if kind == "torchvision" else f"torchvision:{name}"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.json"
        assert main(["open", spec, *given, *edits, "-o", str(path)]) == 0
        assert all(edit["edit"] in EDITS for edit in document["edits"])
        return Recipe.from_json(path.read_text())


def _said(name: str, value: Any) -> str:
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"
