"""vgg11 from torchvision · random weights, seed 0, as built and edited with modelview.

- Insert layer: BatchNorm2d(128) after features.3
  Note: The layers behind it are renumbered: `features.4` is `features.5` now. With a name they are not.
- Delete layer: without features.1
  Note: The layers behind it are renumbered: `features.2` is `features.1` now.
- Insert layer: Dropout(0.1) after features.0
"""

from collections import OrderedDict

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.vgg11(weights=None)
    model.features.insert(4, nn.BatchNorm2d(128))
    del model.features[1]
    rows = list(model.features.named_children())
    rows.insert(1, ("drop", nn.Dropout(0.1)))
    model.features = nn.Sequential(OrderedDict(rows))
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("vgg11_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
