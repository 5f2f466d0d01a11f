"""What edits promise to keep is compared on real numbers, and the comparison can fail."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from modelview import (
    AddInput,
    AddOutputs,
    Detach,
    Freeze,
    InsertLayer,
    Layer,
    LearningRates,
    Prefix,
    Recipe,
    Rename,
    SwapHead,
    Truncate,
)
from modelview.edits.base import Edit
from modelview.errors import EditError
from modelview.export.base import export
from modelview.proof import SAME_OUTPUT, UNTOUCHED, Promise, Proof, Witness
from modelview.recipe import _PROOFS
from modelview.sources.torchvision import Torchvision

BASE = Recipe(Torchvision("squeezenet1_1"))

KEEPING = [
    Truncate("features.6"),
    Truncate("features.6.squeeze", pool=True, flatten=True),
    AddOutputs(("features.3", "features.0")),
    AddOutputs(("features.0", "features.6"), form="dict", keep_final=False),
    AddOutputs(("features.0",), form="dict"),
    Detach("features.5"),
    Prefix("module."),
    Rename((("features", "trunk"),)),
    AddInput(where="before", size=3, style="keep"),
    InsertLayer("features.3", Layer("Dropout(0.5)")),
]


@pytest.mark.parametrize("edit", KEEPING, ids=repr)
def test_building_proves_it_and_remembers(edit: Edit) -> None:
    recipe = BASE.then(edit).then(SwapHead(4)) if isinstance(edit, Truncate) else BASE.then(edit)
    _PROOFS.clear()
    assert not any(recipe.proofs())
    recipe.build()
    (proofs, *others) = recipe.proofs()
    assert proofs
    assert not any(others), "a new head promises nothing"
    assert all(proof.largest_difference <= 1e-6 for proof in proofs)
    assert "1 × 3 × 224 × 224" in proofs[0].input


@pytest.mark.parametrize("edit", KEEPING, ids=repr)
def test_one_weight_altered_by_a_thousandth_is_seen(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = BASE.then(edit)
    (change,) = recipe.changes()
    apply = change.apply

    def altered(model: nn.Module) -> nn.Module:
        model = apply(model)
        weight = next(p for name, p in model.named_parameters() if name.endswith("0.weight"))
        with torch.no_grad():
            weight.view(-1)[0] += 1e-3
        return model

    monkeypatch.setitem(change.__dict__, "apply", altered)
    _PROOFS.clear()
    with pytest.raises(EditError, match=r"The values were to stay, but .* differs by"):
        recipe.build()
    assert not any(recipe.proofs())


def test_another_shape_is_no_equality() -> None:
    witness = Witness(SAME_OUTPUT, BASE.source, BASE.example, BASE.example)
    model = BASE.build()
    witness.before(model)
    with pytest.raises(EditError, match="the output has another shape"):
        witness.after(nn.Sequential(model, nn.Unflatten(1, (10, 100))))


def test_looking_leaves_the_model_as_it_was() -> None:
    model = BASE.build().train()
    model.features.eval()
    witness = Witness(Promise(points=(("features.0", 0),)), BASE.source, BASE.example, BASE.example)
    witness.before(model)
    assert model.training
    assert not model.features.training
    assert not any(module._forward_hooks for module in model.modules())


def test_nan_equals_nan_and_nothing_else() -> None:
    def of(*values: float) -> Any:
        return torch.tensor([values])

    class Gives(nn.Module):
        def __init__(self, value: Any) -> None:
            super().__init__()
            self.value = value

        def forward(self, x: Any) -> Any:  # noqa: ARG002 - stands for a model
            return self.value

    witness = Witness(SAME_OUTPUT, BASE.source, BASE.example, BASE.example)
    witness.before(Gives(of(1.0, float("nan"))))
    assert witness.after(Gives(of(1.0, float("nan"))))[0].largest_difference == 0
    with pytest.raises(EditError, match="differs by inf"):
        witness.after(Gives(of(float("nan"), 1.0)))


def test_it_goes_with_the_recipe(tmp_path: Path) -> None:
    recipe = BASE.then(Truncate("features.3"))
    recipe.build()
    path = export(recipe, "recipe", tmp_path / "recipe.json")
    (rows,) = json.loads(path.read_text())["proofs"]
    assert rows[0]["what"] == "the output and `features.3` of the model before"
    assert rows[0]["largest_difference"] == 0
    assert Recipe.from_json(path.read_text()) == recipe


@pytest.mark.parametrize("edit", [Freeze("features"), LearningRates()], ids=repr)
def test_what_touches_nothing_is_proved_without_a_pass(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = BASE.then(edit)
    _PROOFS.clear()
    monkeypatch.setattr("modelview.proof._run", None)
    recipe.build()
    assert recipe.proofs() == ((Proof("the parameters and buffers", "all 52 of them", 0.0),),)


def _written(model: nn.Module) -> None:
    with torch.no_grad():
        next(model.parameters()).mul_(1.0)


def _replaced(model: nn.Module) -> None:
    first = model.get_submodule("features.0")
    first.weight = nn.Parameter(first.weight.detach().clone())  # type: ignore[operator, union-attr]


def _dropped(model: nn.Module) -> None:
    model.get_submodule("features.0").register_parameter("weight", None)


@pytest.mark.parametrize("change", [_written, _replaced, _dropped])
def test_that_something_was_touched_is_seen(change: Any) -> None:
    model = BASE.build()
    witness = Witness(UNTOUCHED, BASE.source, BASE.example, BASE.example)
    witness.before(model)
    assert witness.after(model.requires_grad_(False))
    change(model)
    with pytest.raises(EditError, match=r"The values were to stay, but `features\.0\.weight` was changed"):
        witness.after(model)
