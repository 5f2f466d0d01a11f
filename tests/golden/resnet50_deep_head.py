"""resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Swap head: fc → Linear(2048, 128) → ReLU → Dropout(0.5) → Linear(128, 10) → Softmax(dim=1)
  Note: It ends in Softmax: train with NLLLoss on its log, since CrossEntropyLoss applies its own.
"""

from collections import OrderedDict

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.resnet50(weights=None)
    model.fc = nn.Sequential(OrderedDict([
        ("fc1", nn.Linear(2048, 128)),
        ("relu1", nn.ReLU()),
        ("dropout1", nn.Dropout(0.5)),
        ("fc2", nn.Linear(128, 10)),
        ("output", nn.Softmax(dim=1)),
    ]))
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
