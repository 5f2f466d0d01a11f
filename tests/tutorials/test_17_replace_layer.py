"""Row 17, "replace a layer": each of the tutorial's changes by hand in plain torch, and by an edit."""

import pytest
import torch
from torch import Tensor, nn

from modelview import AdaptInput, SwapHead
from modelview.sources.torchvision import Torchvision
from tests.laws import check_recipe, run
from tests.tutorials.recipes import RECIPES, RESNET

SOURCE = Torchvision("resnet18")


def pictures(channels: int) -> Tensor:
    return torch.rand(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))


def assert_same(ours: nn.Module, theirs: nn.Module, channels: int = 3) -> None:
    assert str(ours) == str(theirs)
    assert [*ours.state_dict()] == [*theirs.state_dict()]
    assert torch.equal(run(ours, (pictures(channels),)), run(theirs.eval(), (pictures(channels),)))


@pytest.mark.long
def test_a_linear_of_another_width() -> None:
    model = SOURCE.load()
    model.fc = nn.Linear(model.fc.in_features, 37)  # type: ignore[union-attr, arg-type]
    for recipe in (RECIPES["17 another width"], RESNET.then(SwapHead(37))):
        ours = check_recipe(recipe)
        model.fc.load_state_dict(ours.fc.state_dict())  # type: ignore[union-attr, operator]
        assert_same(ours, model)


def test_four_channels_with_the_trained_weights_for_the_first_three() -> None:
    model = SOURCE.load()
    trained = model.conv1.weight.clone()  # type: ignore[union-attr, operator]
    model.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        model.conv1.weight[:, :3] = trained
        model.conv1.weight[:, 3] = trained[:, 0]
    assert_same(check_recipe(RESNET.then(AdaptInput(4))), model, 4)


def test_four_channels_of_which_the_new_one_weighs_nothing() -> None:
    ours = check_recipe(RECIPES["17 four channels"])
    assert torch.equal(run(ours, (pictures(4),)), run(SOURCE.load(), (pictures(4)[:, :3],)))


def test_four_channels_anew() -> None:
    model = SOURCE.load()
    model.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)
    ours = check_recipe(RESNET.then(AdaptInput(4, weights="new")))
    model.conv1.load_state_dict(ours.conv1.state_dict())  # type: ignore[union-attr, operator]
    assert_same(ours, model, 4)


def test_one_channel_is_the_three_added_up() -> None:
    model = SOURCE.load()
    trained = model.conv1.weight.clone()  # type: ignore[union-attr, operator]
    model.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    model.conv1.weight.data = trained.data.sum(dim=1, keepdim=True)
    assert_same(check_recipe(RESNET.then(AdaptInput(1))), model, 1)


def test_ten_of_a_thousand_classes() -> None:
    kept = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    model = SOURCE.load()
    trained: nn.Linear = model.fc  # type: ignore[assignment]
    model.fc = nn.Linear(512, 10)
    model.fc.weight = nn.Parameter(trained.weight[kept])
    model.fc.bias = nn.Parameter(trained.bias[kept])
    ours = check_recipe(RECIPES["17 some of the classes"])
    assert_same(ours, model)
    before = run(SOURCE.load(), (pictures(3),))
    assert torch.allclose(run(ours, (pictures(3),)), before[:, kept], atol=1e-6)
