"""Row 8: layers after the output, and the output returned beside theirs."""

from torch import Tensor, nn
from torchvision import models

from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES


class Model(nn.Module):
    """The tutorial's."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(1000, 10, bias=True)
        self.output = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x1000 = self.net(x)
        x10 = self.dropout(self.relu(x1000))
        x10 = self.fc1(x10)
        x10 = self.output(x10)
        return x10, x1000


def test_it_is_the_tutorials() -> None:
    assert_agree(RECIPES["8 extra output"], Model(models.resnet18(weights=None)), picture())


class Supervised(models.ResNet):
    """Any modules' outputs beside the final one, for auxiliary supervision."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        second = self.layer2(self.layer1(x))
        third = self.layer3(second)
        x = self.avgpool(self.layer4(third)).flatten(1)
        return {"out": self.fc(x), "fine": second, "coarse": third}


def test_outputs_from_inside_as_a_dict() -> None:
    assert_agree(RECIPES["8 as a dict"], Supervised(models.resnet.BasicBlock, [2, 2, 2, 2]), picture())
