"""Row 16: the gradient is cut, inside one model, or between a model A and a model B that takes its output."""

import torch
from torch import Tensor, nn
from torchvision import models

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES


class Detached(models.ResNet):
    """The tutorial's `detach()` at a chosen point."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x)).detach()
        x = self.avgpool(self.layer4(self.layer3(x)))
        return self.fc(torch.flatten(x, 1))  # type: ignore[no-any-return]


def reached(model: nn.Module, *inputs: Tensor) -> list[str]:
    """Names of the parameters that get a gradient."""
    model.zero_grad()
    model.train()(*inputs).sum().backward()
    return [name for name, parameter in model.named_parameters() if parameter.grad is not None]


RECIPE = RECIPES["16 detach"]


def test_inside_one_model() -> None:
    by_hand = Detached(models.resnet.BasicBlock, [2, 2, 2, 2])
    built = assert_agree(RECIPE, by_hand, picture())
    names = reached(built, picture())
    assert names == reached(by_hand, picture())
    assert all(name.startswith(("layer3.", "layer4.", "fc.")) for name in names)


def test_between_a_and_b() -> None:
    assert reached(RECIPES["16 between two models"].build(), picture()) == ["b.weight", "b.bias"]


def test_it_is_shown_and_explained() -> None:
    rows = {row.name: row for row in mv.gradients(RECIPE, (2, 3, 64, 64))}
    assert rows["conv1.weight"].reason == "detached"
    assert rows["layer3.0.conv1.weight"].moved
    assert "`detach_()`" in RECIPE.changes()[0].notes[0]
