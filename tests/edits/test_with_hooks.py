"""Edits on what edits made of a forward that cannot be recorded: hooks around hooks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.edits.base import Edit
from tests.edits.subjects import GOOGLENET, SSD, small
from tests.laws import check_recipe, run

pytestmark = pytest.mark.long

FIRST: dict[str, Callable[[str], Edit]] = {
    "detach": mv.Detach,
    "outputs": lambda path: mv.AddOutputs((path,)),
    "input": lambda path: mv.AddInput("more", 2, at=path, style="keep"),
}
SECOND = FIRST | {
    "input": lambda path: mv.AddInput("other", 3, at=path, style="keep"),
    "wrapped": lambda path: mv.AddInput("other", 3, at=path, style="wrap"),
}


@pytest.mark.long
@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
def test_of_a_detector(first: str, second: str) -> None:
    recipe = SSD.then(FIRST[first]("backbone.features.0.1")).then(SECOND[second]("backbone.features.0.2"))
    check_recipe(recipe, inputs=small(recipe))


@pytest.mark.parametrize(("first", "second"), [("detach", "input"), ("input", "wrapped"), ("outputs", "input")])
def test_of_one_with_another_forward_in_train_mode(first: str, second: str) -> None:
    recipe = GOOGLENET.then(FIRST[first]("conv1")).then(SECOND[second]("conv2"))
    check_recipe(recipe, inputs=small(recipe))


def test_what_stands_before_the_head_is_in_the_order_of_the_edits() -> None:
    """Told by weights that the new columns have; the edit itself leaves them at zero."""
    recipe = GOOGLENET
    for name, size in (("one", 2), ("two", 3)):
        recipe = recipe.then(mv.AddInput(name, size, where="before", style="keep"))
    inputs, scope = small(recipe), {"__name__": "exported"}
    exec(recipe.code(), scope)
    models: list[nn.Module] = [recipe.build(), scope["build_model"]().eval()]  # type: ignore[operator]
    features: list[torch.Tensor] = []
    models[0].fc.register_forward_pre_hook(lambda module, args: features.append(args[0]))  # type: ignore[operator, union-attr]
    with torch.no_grad():
        models[0].fc.weight.normal_()  # type: ignore[operator, union-attr]
    models[1].load_state_dict(models[0].state_dict())
    outputs = [run(model, inputs) for model in models]
    assert torch.equal(*outputs)
    assert torch.equal(features[0][:, -5:], torch.cat(inputs[1:], dim=1))


def test_the_head_is_known_as_wide_as_it_is() -> None:
    recipe = GOOGLENET.then(mv.AddInput("more", 2, where="before", style="keep")).then(mv.SwapHead(3))
    assert "fc → Linear(1026, 3)" in recipe.changes()[-1].summary
    check_recipe(recipe, inputs=small(recipe))


@pytest.mark.long
@pytest.mark.parametrize(
    "edit",
    [
        mv.Prefix("module."),
        mv.AddInput("more", 2, at="backbone.features.0.1"),
        mv.AddInput("more", 2, at="backbone.features.0.1", style="keep"),
        mv.Detach("backbone.features.0.1"),
        mv.AddOutputs(("backbone.features.0.1",)),
    ],
    ids=["prefix", "input, wrapped", "input", "detach", "outputs"],
)
def test_a_detector_takes_its_targets_still(edit: Edit) -> None:
    recipe, scope = SSD.then(edit), {"__name__": "exported"}
    exec(recipe.code(), scope)
    target = {"boxes": torch.tensor([[4.0, 4, 40, 40]]), "labels": torch.tensor([1])}
    (pictures, *others), targets = small(recipe), [target, target]
    for model in (recipe.build(), scope["build_model"]()):  # type: ignore[operator]
        losses = model.train()(pictures, *others, targets)
        named = model(pictures, *others, targets=targets)
        for found in (losses, named):
            found = found[0] if isinstance(found, tuple) else found
            assert set(found) == {"bbox_regression", "classification"}
            sum(found.values()).backward()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (mv.AddInput("more", 2, at="conv2", style="keep"), "`forward` has an argument called 'more' already"),
        (mv.AddInput("other", 2, at="conv9", style="keep"), "No module is called 'conv9'. Did you mean"),
    ],
)
def test_what_does_not_fit_is_refused(second: Edit, message: str) -> None:
    recipe: Any = GOOGLENET.then(mv.AddInput("more", 2, at="conv1", style="keep"))
    with pytest.raises(mv.EditError, match=message):
        recipe.then(second).check()
