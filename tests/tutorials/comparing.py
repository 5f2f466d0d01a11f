"""A recipe beside a model that was written by hand, and beside the same recipe made on the command line."""

import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modelview.cli import main
from modelview.recipe import Recipe
from modelview.sources.composed import Composed
from modelview.sources.torchvision import Torchvision
from modelview.sources.torchvision_class import TorchvisionClass
from modelview.sources.unet import UNet
from tests.laws import check_recipe, run, trainable
from tests.zoo import exact


def picture(n: int = 2, side: int = 64) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def assert_agree(recipe: Recipe, by_hand: nn.Module, *inputs: Any, order: bool = True) -> nn.Module:
    """The same names, shapes, trainable set and, with the same values loaded, outputs to the last bit.

    `check_recipe` holds the exported code to the built model; test_agreement.py holds the screen and the command line
    to the recipe.
    """
    built = check_recipe(recipe, inputs=inputs)
    ours, theirs = built.state_dict(), by_hand.state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in theirs.items()}
    assert not order or list(ours) == list(theirs)
    assert trainable(built) == trainable(by_hand)
    by_hand.load_state_dict(ours)
    assert exact(run(built, inputs), run(by_hand.eval(), inputs))
    return built


def from_command_line(recipe: Recipe, path: Path, given: Iterable[Path] = ()) -> Recipe:
    """The recipe that `python -m modelview open` writes to `path`, from the same source and edits. given: its files."""
    spec, arguments = SAID[type(recipe.source)](recipe.source)
    said = [word for item in arguments.items() for word in ("--with", _said(*item))]
    edits = [word for edit in json.loads(recipe.to_json())["edits"] for word in ("--edit", json.dumps(edit))]
    files = [word for file in given for word in ("--file", str(file))]
    assert main(["open", spec, *said, *edits, *files, "-o", str(path)]) == 0
    return Recipe.from_json(path.read_text())


SAID: dict[type, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    Torchvision: lambda source: (source.name, dict(source.keywords)),
    TorchvisionClass: lambda source: (f"torchvision:{source.name}", dict(source.keywords)),
    UNet: lambda source: ("modelview:unet", {field.name: getattr(source, field.name) for field in fields(source)}),
    Composed: lambda source: (f"modelview:{source.container}", {"rows": source.rows, "input": source.input}),
}
"""For each kind of source what is said to `open`: its name, and its arguments."""


def _said(name: str, value: Any) -> str:
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"
