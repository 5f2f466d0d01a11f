"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- First children: conv1 to layer4 · 1 × 512 × 7 × 7
  Note: `conv1` is `0` now, and so on.
- Prefix: every name begins with backbone.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model: Any = models.resnet18(weights=None)
    model = nn.Sequential(*list(model.children())[:-2])
    model.out_channels = 512
    model = nn.Sequential(OrderedDict([("backbone", model)]))
    model.out_channels = 512
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
