"""resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to layer3.1 → pool → flatten · 1,024 channels
- Swap head: appended Linear(1024, 10)
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetToLayer3_1(nn.Module):
    """ResNet up to `layer3.1`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.conv1 = model.conv1
        self.bn1 = model.bn1
        self.relu = model.relu
        self.maxpool = model.maxpool
        self.layer1 = model.layer1
        self.layer2 = model.layer2
        self.layer3 = model.layer3[:2]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.out_channels = 1024

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


def build_model() -> nn.Module:
    model = models.resnet50(weights=None)
    model = ResNetToLayer3_1(model)
    model = nn.Sequential(OrderedDict([
        ("backbone", model),
        ("fc", nn.Linear(1024, 10)),
    ]))
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
