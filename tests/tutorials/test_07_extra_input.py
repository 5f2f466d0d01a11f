"""Row 7: another input, joined with the model's output."""

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import modelview as mv
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import BEFORE, RECIPES


class Model(nn.Module):
    """The tutorial's; `size` is 1 there."""

    def __init__(self, net: nn.Module, size: int = 1, *, softmax: bool = True) -> None:
        super().__init__()
        self.net = net
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc_add = nn.Linear(1000 + size, 10, bias=True)
        self.output = nn.Softmax(dim=1) if softmax else nn.Identity()

    def forward(self, x: Tensor, add_variable: Tensor) -> Tensor:
        x = self.net(x)
        added = add_variable.unsqueeze(1) if add_variable.dim() == 1 else add_variable
        x = torch.cat((self.dropout(self.relu(x)), added), 1)
        x = self.fc_add(x)
        return self.output(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_it_is_the_tutorials(shape: tuple[int, ...]) -> None:
    recipe = RECIPES["7 extra input"]
    assert_agree(recipe, Model(models.resnet18(weights=None)), picture(), torch.rand(shape))
    assert list(recipe.structure()._modules) == ["net", "relu", "dropout", "fc_add", "output"]


def test_of_k_numbers_without_softmax() -> None:
    recipe = mv.open("resnet18").then(mv.AddInput("add_variable", 5, num_outputs=10, before=BEFORE))
    assert_agree(recipe, Model(models.resnet18(weights=None), 5, softmax=False), picture(), torch.rand(2, 5))


class BeforeTheHead(models.ResNet):
    """Joined with what the head takes."""

    def __init__(self) -> None:
        super().__init__(models.resnet.BasicBlock, [2, 2, 2, 2])
        self.fc = nn.Linear(512 + 3, 1000)

    def forward(self, x: Tensor, age: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(torch.cat([x, age], 1))  # type: ignore[no-any-return]


def test_before_the_head() -> None:
    assert_agree(RECIPES["7 before the head"], BeforeTheHead(), picture(), torch.rand(2, 3))
