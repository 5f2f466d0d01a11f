"""densenet121 from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to features.denseblock2.denselayer3.conv1 · 128 channels
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class DenseNetToFeaturesDenseblock2Denselayer3Conv1(nn.Module):
    """DenseNet up to `features.denseblock2.denselayer3.conv1`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        block = model.features.denseblock2["denselayer3"]
        self.features: Any = nn.ModuleDict({
            "conv0": model.features.conv0,
            "norm0": model.features.norm0,
            "relu0": model.features.relu0,
            "pool0": model.features.pool0,
            "denseblock1": model.features.denseblock1,
            "transition1": model.features.transition1,
            "denseblock2": nn.ModuleDict({
                "denselayer1": model.features.denseblock2["denselayer1"],
                "denselayer2": model.features.denseblock2["denselayer2"],
                "denselayer3": nn.ModuleDict({
                    "norm1": block.norm1,
                    "relu1": block.relu1,
                    "conv1": block.conv1,
                }),
            }),
        })
        self.out_channels = 128

    def forward(self, x: Tensor) -> Tensor:
        features = self.features["conv0"](x)
        features = self.features["norm0"](features)
        features = self.features["relu0"](features)
        features = self.features["pool0"](features)
        features = self.features["denseblock1"](features)
        features = self.features["transition1"](features)
        new_features = self.features["denseblock2"]["denselayer1"]([features])
        x = self.features["denseblock2"]["denselayer2"]([features, new_features])
        concated_features = torch.cat([features, new_features, x], 1)
        block = self.features["denseblock2"]["denselayer3"]
        concated_features = block["norm1"](concated_features)
        concated_features = block["relu1"](concated_features)
        return block["conv1"](concated_features)


def build_model() -> nn.Module:
    model = models.densenet121(weights=None)
    model = DenseNetToFeaturesDenseblock2Denselayer3Conv1(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("densenet121_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
