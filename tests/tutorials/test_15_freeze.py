"""Row 15: freeze by name or pattern; only what trains goes to the optimizer; after a step the rest is bit-equal."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torchvision import models

import modelview as mv
from tests.tutorials.recipes import FROZEN, RECIPES

X = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 0])
HEAD = ["fc.weight", "fc.bias"]


def by_hand() -> tuple[nn.Module, optim.Optimizer]:
    """The tutorial's own: freeze all, give it a new head, filter the parameters for the optimizer."""
    model = models.resnet18(weights=None)
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(512, 3)
    return model, optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.01)


def by_name() -> tuple[nn.Module, optim.Optimizer]:
    """The same, deciding by the parameters' names."""
    model = models.resnet18(weights=None)
    model.fc = nn.Linear(512, 3)
    for name, parameter in model.named_parameters():
        if name.split(".")[0] != "fc":
            parameter.requires_grad = False
    return model, optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)


def headless(recipe: mv.Recipe = FROZEN) -> tuple[nn.Module, optim.Optimizer]:
    model = recipe.build()
    return model, optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)


RATED = RECIPES["15 freeze"]


def exported(recipe: mv.Recipe = RATED) -> Any:
    """The exported code, and the optimizer that comes with it."""
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.code(), scope)
    model = scope["build_model"]()
    return model, scope["make_optimizer"](model)


def given(optimizer: optim.Optimizer, model: nn.Module) -> list[str]:
    names = {id(p): name for name, p in model.named_parameters()}
    return [names[id(p)] for group in optimizer.param_groups for p in group["params"]]


def trained(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """The state_dict after one step in train mode."""
    model.train()
    optimizer.zero_grad()
    nn.CrossEntropyLoss()(model(X), Y).backward()
    optimizer.step()
    return dict(model.state_dict())


@pytest.mark.parametrize("make", [by_name, headless, exported])
def test_it_is_the_tutorials_model_and_takes_the_tutorials_step(make: Any) -> None:
    theirs, their_optimizer = by_hand()
    ours, our_optimizer = make()
    ours.load_state_dict(theirs.state_dict())
    before = {name: value.clone() for name, value in theirs.state_dict().items()}
    assert {n: p.requires_grad for n, p in ours.named_parameters()} == {
        n: p.requires_grad for n, p in theirs.named_parameters()
    }
    assert given(our_optimizer, ours) == given(their_optimizer, theirs) == HEAD
    expected, found = trained(theirs, their_optimizer), trained(ours, our_optimizer)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    parameters = [name for name, _ in ours.named_parameters()]
    assert [name for name in parameters if not torch.equal(found[name], before[name])] == HEAD


def test_by_pattern() -> None:
    model, _ = headless(RECIPES["15 by pattern"])
    by_hand = models.resnet18(weights=None)
    for name, parameter in by_hand.named_parameters():
        if name == "conv1.weight" or (name.startswith("layer") and ".conv" in name):
            parameter.requires_grad = False
    assert {n: p.requires_grad for n, p in model.named_parameters()} == {
        n: p.requires_grad for n, p in by_hand.named_parameters()
    }


def test_different_rates_for_different_parts() -> None:
    recipe = FROZEN.undo().then(mv.Freeze("conv1", "bn1", "layer1", "layer2", "layer3"))
    recipe = recipe.then(mv.LearningRates((("layer4", "1e-4"), ("fc", "1e-2")), optimizer="SGD"))
    ours, our_optimizer = exported(recipe)
    theirs = models.resnet18(weights=None)
    theirs.fc = nn.Linear(512, 3)
    theirs.requires_grad_(False)
    theirs.layer4.requires_grad_(True)
    theirs.fc.requires_grad_(True)
    theirs.load_state_dict(ours.state_dict())
    their_optimizer = optim.SGD(
        [{"params": theirs.layer4.parameters(), "lr": 1e-4}, {"params": theirs.fc.parameters(), "lr": 1e-2}], lr=1e-3
    )
    expected, found = trained(theirs, their_optimizer), trained(ours, our_optimizer)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_statistics_move_unless_they_are_frozen_too() -> None:
    """`eval()` on the batch-norm layers, by hand, holds until the next `train()`; FrozenBatchNorm2d holds for good."""
    model, optimizer = headless()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    after = trained(model, optimizer)  # calls train()
    assert not torch.equal(after["bn1.running_mean"], before["bn1.running_mean"])
    model, optimizer = headless(FROZEN.undo().then(mv.Freeze("*", except_="fc", batchnorm="frozen")))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = trained(model, optimizer)
    assert [name for name in after if not torch.equal(after[name], before[name])] == HEAD


def test_the_table_says_the_same() -> None:
    rows = [row for row in mv.gradients(FROZEN) if row.what == "parameter"]
    assert [row.name for row in rows if row.moved] == HEAD
    assert {row.reason for row in rows if not row.moved} == {"frozen"}
