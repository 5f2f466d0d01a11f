"""resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Fuse stages: 2 stages → Linear(2304, 1)
  Note: Widths 256 + 2,048 = 2,304. What ran after the last stage stays in the model, unused.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models


class FusedResNet(nn.Module):
    """ResNet that classifies by `layer1`, `layer4` together."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.fc = nn.Linear(2304, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone.conv1(x)
        x = self.backbone.bn1(x)
        x = self.backbone.relu(x)
        x = self.backbone.maxpool(x)
        layer1 = self.backbone.layer1(x)
        x = self.backbone.layer2(layer1)
        x = self.backbone.layer3(x)
        layer4 = self.backbone.layer4(x)
        x = torch.cat([F.adaptive_avg_pool2d(layer1, 1), F.adaptive_avg_pool2d(layer4, 1)], dim=1)
        x = torch.flatten(x, 1)
        return self.fc(x)


def build_model() -> nn.Module:
    model = models.resnet50(weights=None)
    model = FusedResNet(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
