"""mobilenet_v3_small from torchvision · random weights, seed 0, as built and edited with modelview.

- Replace layer: classifier.1 → ReLU(inplace=True)
- Swap head: classifier.3 → Linear(1024, 2)
"""

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.mobilenet_v3_small(weights=None)
    model.classifier[1] = nn.ReLU(inplace=True)
    model.classifier[3] = nn.Linear(1024, 2)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("mobilenet_v3_small_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
