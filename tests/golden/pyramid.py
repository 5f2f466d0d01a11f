"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Add outputs: layer1, layer2.0
  Note: `layer1`: 1 × 64 × 56 × 56, 64 channels, 1/4 of the input's width.
  Note: `layer2.0`: 1 × 128 × 28 × 28, 128 channels, 1/8 of the input's width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetToLayer1Layer2_0(nn.Module):
    """ResNet that returns `layer1`, `layer2.0`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.conv1 = model.conv1
        self.bn1 = model.bn1
        self.relu = model.relu
        self.maxpool = model.maxpool
        self.layer1 = model.layer1
        self.layer2 = nn.ModuleDict({"0": model.layer2[0]})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        fine = self.layer1(x)
        return {"fine": fine, "coarse": self.layer2["0"](fine)}


def build_model() -> nn.Module:
    model = models.resnet18(weights=None)
    model = ResNetToLayer1Layer2_0(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
