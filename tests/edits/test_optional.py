"""Arguments that may be left out stay arguments, whatever an edit does to the forward."""

from pathlib import Path
from typing import Any

import pytest
import torch

import modelview as mv
from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.append import Append
from modelview.edits.base import Edit
from modelview.edits.detach import Detach
from modelview.edits.prefix import Prefix
from modelview.edits.truncate import Truncate
from modelview.layers import Layer
from modelview.recipe import Recipe
from tests.edits import own_code
from tests.laws import check_recipe

pytestmark = pytest.mark.long

NETS = """
import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.middle, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x, scale=1.0, shift: int = 0):
        return self.head(self.middle(self.stem(x)) * scale + shift)


class Masked(Scaled):
    def forward(self, x, mask=None, *, double=False):
        x = self.middle(self.stem(x))
        if mask is not None:
            x = x * mask
        return self.head(x) * 2 if double else self.head(x)


def scaled():
    return Scaled()


def masked():
    return Masked()
"""
MORE = (("more", Layer("Linear(3, 2)")),)
EDITS = [
    (Detach("stem"),),
    (AddOutputs(("middle",)),),
    (AddInput(at="middle", size=2, style="keep"),),
    (AddInput(at="middle", size=2),),
    (AddInput(num_outputs=2),),
    (Append(MORE),),
    (Append(MORE, style="wrap"),),
    (Prefix("module."),),
    (Detach("stem"), AddOutputs(("middle",))),
    (AddOutputs(("middle",)), Prefix("net."), Detach("net.stem")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("optional")
    own_code.write(folder, "optional_nets", NETS)
    return folder


@pytest.fixture(autouse=True)
def found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_code.allow_anew(folder, monkeypatch)


def values(given: Any) -> torch.Tensor:
    return given[0] if isinstance(given, tuple) else given


@pytest.mark.parametrize("edits", EDITS, ids=lambda edits: "-".join(type(edit).__name__ for edit in edits))
@pytest.mark.parametrize(
    ("name", "given"),
    [("scaled", {"scale": 2.0, "shift": 1}), ("masked", {"mask": torch.arange(8.0), "double": True})],
    ids=["numbers", "what may be None"],
)
def test_they_can_still_be_given(name: str, given: dict[str, Any], edits: tuple[Edit, ...]) -> None:
    recipe = Recipe(mv.open(f"optional_nets:{name}", input=(1, 8)).source, edits)
    built = check_recipe(recipe)
    args = tuple(torch.ones(2, *shape[1:]) for shape in recipe.example)
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.code(), scope)
    exported = scope["build_model"]()
    exported.load_state_dict(built.state_dict())
    ours, theirs = values(built(*args, **given)), values(exported.eval()(*args, **given))
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, values(built(*args)))


def test_numbers_are_written_as_arguments_with_their_defaults() -> None:
    code = mv.open("optional_nets:scaled", input=(1, 8)).then(Detach("stem")).code()
    assert "def forward(self, x: Tensor, scale: float = 1.0, shift: int = 0) -> Tensor:" in code
    assert "return self.head(x * scale + shift)" in code


def test_a_cut_model_takes_what_it_needs() -> None:
    recipe = mv.open("optional_nets:scaled", input=(1, 8)).then(Truncate("middle"))
    assert "def forward(self, x: Tensor) -> Tensor:" in recipe.code()
    check_recipe(recipe)
