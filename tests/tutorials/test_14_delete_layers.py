"""Row 14: a model without its first layer, which keeps the trained weights of the others and trains on."""

import pytest
import torch
from torch import nn, optim
from torchvision import models

import modelview as mv
from tests.laws import check_recipe, run
from tests.tutorials.recipes import RECIPES

VGG = mv.open("vgg11")


@pytest.mark.long
def test_the_first_layer_of_a_sequential_goes_and_the_rest_keeps_its_weights() -> None:
    recipe = VGG.then(mv.Truncate("features.2")).then(mv.DeleteLayer("features.0", adapt="input"))
    whole = VGG.build()
    by_hand = nn.Sequential(*list(whole.features)[1:3])
    assert recipe.check().input == (1, 64, 224, 224)
    x = torch.rand(1, 64, 16, 16)
    assert torch.equal(run(recipe.build(), (x,)), run(by_hand.eval(), (x,)))


def test_of_a_resnet_without_its_first_convolution() -> None:
    by_hand = models.resnet18(weights=None)
    by_hand.conv1 = nn.Identity()
    x = torch.rand(2, 64, 32, 32)
    built = check_recipe(RECIPES["14 first layer"], inputs=(x,))
    assert list(built.state_dict()) == list(by_hand.state_dict())
    trained = mv.open("resnet18").build().state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in built.state_dict().items())
    by_hand.load_state_dict(built.state_dict())
    assert torch.equal(run(built, (x,)), run(by_hand.eval(), (x,)))


def test_it_trains_on() -> None:
    model = RECIPES["14 numbered anew"].build().train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    nn.functional.cross_entropy(model(torch.rand(2, 3, 64, 64)), torch.tensor([1, 2])).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters() if value.dim() > 1)
