"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to layer3 → pool → flatten · 256 channels
- Swap head: appended Linear(256, 10)
- Add input: add_variable 1 × 1 joined after the output
- Freeze: 2,785,354 parameters frozen
  Note: 15 frozen batch-norm layers still update their statistics in train mode.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetToLayer3(nn.Module):
    """ResNet up to `layer3`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.conv1 = model.conv1
        self.bn1 = model.bn1
        self.relu = model.relu
        self.maxpool = model.maxpool
        self.layer1 = model.layer1
        self.layer2 = model.layer2
        self.layer3 = model.layer3
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.out_channels = 256

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.pool(x)
        return self.flatten(x)


class SequentialWithAddVariable(nn.Module):
    """Sequential with another input, `add_variable`."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.fc_add = nn.Linear(11, 4)

    def forward(self, input: Tensor, add_variable: Tensor) -> Tensor:
        x = self.net(input)
        x = torch.cat([x, add_variable.reshape(-1, 1)], dim=1)
        return self.fc_add(x)


def build_model() -> nn.Module:
    model: Any = models.resnet18(weights=None)
    model = ResNetToLayer3(model)
    model = nn.Sequential(OrderedDict([
        ("backbone", model),
        ("fc", nn.Linear(256, 10)),
    ]))
    model = SequentialWithAddVariable(model)
    model.net.requires_grad_(False)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
