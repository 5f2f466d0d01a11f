"""resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Swap head: fc → Linear(2048, 10)
- Freeze: 23,508,032 parameters frozen
  Note: 53 frozen batch-norm layers still update their statistics in train mode.
"""

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.resnet50(weights=None)
    model.fc = nn.Linear(2048, 10)
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
