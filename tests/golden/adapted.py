"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Adapt input: conv1: 3 → 4 channels
  Note: `conv1`: 3 channels kept, 1 new as copies of them in turn.
- Select classes: 3 of 1,000 classes: 1, 5, 9
"""

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.resnet18(weights=None)
    old = model.conv1
    model.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        model.conv1.weight[:, :3] = old.weight
        model.conv1.weight[:, 3:] = old.weight[:, :1]
    kept = [1, 5, 9]
    old = model.fc
    model.fc = nn.Linear(512, 3)
    with torch.no_grad():
        model.fc.weight.copy_(old.weight[kept])
        model.fc.bias.copy_(old.bias[kept])
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
