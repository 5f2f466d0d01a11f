"""The estimate is made of figures that can be checked, and lies above what training really keeps."""

from typing import Any

import pytest
import torch
from torch import nn

from modelview.edits.freeze import Freeze
from modelview.errors import EditError, ModelviewError, UnknownName
from modelview.inspect.memory import memory
from modelview.opening import open_recipe
from modelview.recipe import trace


def test_what_it_is_made_of() -> None:
    found = trace(open_recipe("resnet18"))
    one, eight = memory(found, "Adam", (1, 8))
    weights = 4 * found.totals.n_parameters
    assert (one.gradients, one.optimizer) == (weights, 2 * weights)
    assert one.parameters == found.totals.size_bytes
    assert eight.activations == 8 * one.activations == 8 * (found.activation_bytes + 4 * 3 * 224**2 + 8 * 64 * 56**2)
    assert one.total == one.parameters + one.gradients + one.optimizer + one.activations


def test_the_batch_of_the_pass_does_not_matter() -> None:
    recipe = open_recipe("resnet18")
    assert memory(trace(recipe)) == memory(trace(recipe, (4, 3, 224, 224)))


@pytest.mark.parametrize(("optimizer", "factor"), [("SGD", 0), ("SGD with momentum", 1), ("Adam", 2)])
def test_frozen_parameters_need_no_gradients(optimizer: str, factor: int) -> None:
    recipe = open_recipe("resnet18").then(Freeze("*", except_="fc"))
    row = memory(trace(recipe), optimizer)[0]
    assert row.gradients == 4 * 513_000
    assert row.optimizer == factor * row.gradients


def test_nothing_trains() -> None:
    row = memory(trace(open_recipe("resnet18").then(Freeze("*"))))[0]
    assert (row.gradients, row.optimizer, row.activations) == (0, 0, 0)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_32", "efficientnet_b0", "alexnet"])
def test_it_is_an_upper_bound_of_what_autograd_saves(name: str) -> None:
    recipe = open_recipe(name)
    model: nn.Module = recipe.build().train()
    own = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    saved: dict[int, Any] = {}  # the storages themselves, so that no address is used twice

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = model(torch.zeros(2, 3, 224, 224))
    assert kept.requires_grad
    found = sum(storage.nbytes() for storage in saved.values())
    assert 0.4 * memory(trace(recipe), batch_sizes=(2,))[0].activations < found
    assert found <= memory(trace(recipe), batch_sizes=(2,))[0].activations


@pytest.mark.parametrize(
    ("optimizer", "sizes", "kind", "message"),
    [
        ("Adma", (1,), UnknownName, "Did you mean 'Adam'"),
        ("Adam", (8, 0), EditError, "whole number from 1 up; got 0"),
        ("Adam", (-1,), EditError, "got -1"),
    ],
)
def test_refusals(optimizer: str, sizes: Any, kind: type[ModelviewError], message: str) -> None:
    with pytest.raises(kind) as caught:
        memory(trace(open_recipe("resnet18")), optimizer, sizes)
    assert message in str(caught.value)
