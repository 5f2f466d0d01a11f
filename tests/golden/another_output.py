"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Append layers: ReLU → Dropout(0.5) → Linear(1000, 10) → Softmax(dim=1)
  Note: It ends in Softmax: train with NLLLoss on its log, since CrossEntropyLoss applies its own.
- Add outputs: output, net
  Note: `net`: 1 × 1000, 1,000 channels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class ResNetWithFc1OutputWithNet(nn.Module):
    """ResNet with 4 more layers after its output, that returns `net` beside its output."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc1 = nn.Linear(1000, 10)
        self.output = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        net = self.net(x)
        x = self.relu(net)
        x = self.dropout(x)
        x = self.fc1(x)
        return (self.output(x), net)


def build_model() -> nn.Module:
    model = models.resnet18(weights=None)
    model = ResNetWithFc1OutputWithNet(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
