"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to layer2.0.conv2 · 128 channels
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetToLayer2_0Conv2(nn.Module):
    """ResNet up to `layer2.0.conv2`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.conv1 = model.conv1
        self.bn1 = model.bn1
        self.relu = model.relu
        self.maxpool = model.maxpool
        self.layer1 = model.layer1
        block = model.layer2[0]
        self.layer2: Any = nn.ModuleDict({
            "0": nn.ModuleDict({
                "conv1": block.conv1,
                "bn1": block.bn1,
                "relu": block.relu,
                "conv2": block.conv2,
            }),
        })
        self.out_channels = 128

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        block = self.layer2["0"]
        out = block["conv1"](x)
        out = block["bn1"](out)
        out = block["relu"](out)
        return block["conv2"](out)


def build_model() -> nn.Module:
    model = models.resnet18(weights=None)
    model = ResNetToLayer2_0Conv2(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
