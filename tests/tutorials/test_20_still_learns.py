"""Row 20: backward and one optimizer step run after edits, and which parameters receive a gradient is a table."""

from typing import Any

import pytest
import torch
from torch import nn, optim
from torchvision import models

import modelview as mv
from tests.tutorials.recipes import RECIPES, RESNET as BASE


def without_tail() -> nn.Module:
    """The tutorial's backbone."""
    return nn.Sequential(*list(models.resnet18(weights=None).children())[:-2])


def deeper_head() -> nn.Module:
    model = models.resnet18(weights=None)
    model.fc = nn.Sequential(nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10), nn.Softmax(dim=1))
    return model


def one_frozen_stage() -> nn.Module:
    model = models.resnet18(weights=None)
    model.layer1.requires_grad_(False)
    return model


def by_hand(model: nn.Module) -> dict[str, Any]:
    """What a person would print after a step: who got a gradient, and who moved."""
    model.train()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    output = model(torch.randn(2, 3, 128, 128))
    (output * torch.randn_like(output)).sum().backward()
    optimizer.step()
    pairs = zip(model.parameters(), before, strict=True)
    return {
        "shape": [tuple(p.shape) for p in model.parameters()],
        "gradient": [p.grad is not None for p in model.parameters()],
        "moved": [not torch.equal(p, old) for p, old in pairs],
    }


@pytest.mark.parametrize(
    ("edit", "theirs"),
    [
        (mv.Truncate("layer4"), without_tail),
        (mv.SwapHead(10, hidden=(128,), softmax=True), deeper_head),
        (mv.Freeze("layer1"), one_frozen_stage),
    ],
    ids=["backbone", "head", "freeze"],
)
def test_the_table_is_what_a_step_by_hand_shows(edit: Any, theirs: Any) -> None:
    rows = [row for row in mv.gradients(BASE.then(edit)) if row.what == "parameter"]
    torch.manual_seed(0)
    expected = by_hand(theirs())
    assert {name: [getattr(row, name) for row in rows] for name in expected} == expected
    assert [row.name for row in rows] == [name for name, _ in BASE.then(edit).build().named_parameters()]


@pytest.mark.parametrize("real", [True, False], ids=["weights", "meta"])
def test_every_parameter_of_an_edited_model_learns(real: bool) -> None:
    rows = mv.gradients(BASE.then(mv.Truncate("layer3.0")).then(mv.SwapHead(4)), real=real)
    assert all(row.gradient and not row.reason for row in rows if row.what == "parameter")


def test_a_loss_falls_in_a_few_steps() -> None:
    """The whole point, on the exported code: a handful of steps with its optimizer on one batch."""
    recipe = RECIPES["20 all but the last stage"]
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.then(mv.LearningRates((("fc", "1e-2"),), default="1e-3")).code(), scope)
    torch.manual_seed(0)
    model = scope["build_model"]().train()
    optimizer, x, y = scope["make_optimizer"](model), torch.randn(6, 3, 64, 64), torch.tensor([0, 1, 2] * 2)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
