"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Add input: add_variable 1 × 1 joined after the output
  Note: It ends in Softmax: train with NLLLoss on its log, since CrossEntropyLoss applies its own.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetWithAddVariable(nn.Module):
    """ResNet with another input, `add_variable`."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc_add = nn.Linear(1001, 10)
        self.output = nn.Softmax(dim=1)

    def forward(self, x: Tensor, add_variable: Tensor) -> Tensor:
        x = self.net(x)
        x = self.relu(x)
        x = self.dropout(x)
        x = torch.cat([x, add_variable.reshape(-1, 1)], dim=1)
        x = self.fc_add(x)
        return self.output(x)


def build_model() -> nn.Module:
    model = models.resnet18(weights=None)
    model = ResNetWithAddVariable(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
