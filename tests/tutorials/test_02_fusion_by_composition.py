"""Row 2: the same model as a module that holds the whole original, its head unused."""

import torch
from torch import Tensor, nn
from torchvision import models

import modelview as mv
from tests.laws import run
from tests.tutorials.comparing import assert_agree, picture
from tests.tutorials.recipes import RECIPES, STAGES


class CustomizedResNet(nn.Module):
    """The tutorial's."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = models.resnet18(weights=None)
        self.fc = nn.Linear(960, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x1 = net.layer1(x)
        x2 = net.layer2(x1)
        x3 = net.layer3(x2)
        x4 = net.layer4(x3)
        x = torch.cat([net.avgpool(x1), net.avgpool(x2), net.avgpool(x3), net.avgpool(x4)], dim=1)
        return self.fc(torch.flatten(x, 1))  # type: ignore[no-any-return]


RECIPE = RECIPES["2 fusion by composition"]


def test_it_is_the_tutorials() -> None:
    assert_agree(RECIPE, CustomizedResNet(7), picture())


def test_both_styles_agree() -> None:
    wrapped, inherited = RECIPE.build(), mv.open("resnet18").then(mv.FuseStages(STAGES, 7)).build()
    values = {name.removeprefix("backbone."): value for name, value in wrapped.state_dict().items()}
    values |= {name: value for name, value in wrapped.state_dict().items() if name.startswith("fc.")}
    inherited.load_state_dict(values)
    assert torch.equal(run(wrapped, (picture(),)), run(inherited, (picture(),)))
