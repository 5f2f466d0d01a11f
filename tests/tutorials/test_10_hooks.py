"""Row 10: hooks on chosen layers: every output's shape and values, and the handles removed without fail."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import modelview as mv

X = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
PATHS = ("conv1", "layer1.0.relu", "layer3.1.bn2", "fc")


def by_hand(model: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    """The tutorial's own: a list that the hooks append to. Cloned, as a ReLU in place changes what was there."""
    found: list[tuple[str, Tensor]] = []

    def hook(name: str) -> Any:
        return lambda module, inputs, output: found.append((name, output.detach().clone()))

    handles = [model.get_submodule(path).register_forward_hook(hook(path)) for path in PATHS]
    model.eval()
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return found


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_the_same_shapes_and_values_in_the_same_order() -> None:
    recipe = mv.open("resnet18")
    model = recipe.build()
    theirs = by_hand(model, X)
    ours = mv.features(recipe, X, paths=PATHS, model=model)
    assert [(row.path, row.shape) for row in ours.rows] == [(path, tuple(value.shape)) for path, value in theirs]
    for row, (_, value) in zip(ours.rows, theirs, strict=True):
        kept = ours.values(row)
        assert kept is not None
        assert torch.equal(kept, value)
        assert row.mean == pytest.approx(value.mean().item(), rel=1e-4)
    assert hooks(model) == 0


def test_of_a_module_of_ones_own() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    (row,) = mv.features(model, X[0, :, :5, :4], paths="1").rows
    assert row.shape == (3, 5, 3)
    assert hooks(model) == 0


def test_a_forward_that_raises_leaves_no_hook_behind() -> None:
    recipe = mv.open("resnet18")
    model = recipe.build().train()
    with pytest.raises(mv.ForwardError, match="conv1"):
        mv.features(recipe, torch.rand(1, 4, 64, 64), model=model)
    assert hooks(model) == 0
    assert all(module.training for module in model.modules())
