"""squeezenet1_1 from torchvision · random weights, seed 0, as built and edited with modelview.

- Rename: features.3.squeeze → features.fire.reduce, features.4.squeeze → features.4.reduce, features.3 →
  features.fire
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.squeezenet import Fire


class RenamedFire(Fire):
    """Fire where `squeeze` is `reduce`."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        x = self.squeeze_activation(x)
        expand1x1 = self.expand1x1(x)
        expand1x1 = self.expand1x1_activation(expand1x1)
        x = self.expand3x3(x)
        x = self.expand3x3_activation(x)
        return torch.cat([expand1x1, x], 1)


def build_model() -> nn.Module:
    model = models.squeezenet1_1(weights=None)
    for block in (model.features[3], model.features[4]):
        block.__class__ = RenamedFire
        block.reduce = block.squeeze
        del block.squeeze
    rows = list(model.features.named_children())
    rows[3] = ("fire", rows[3][1])
    model.features = nn.Sequential(OrderedDict(rows))
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("squeezenet1_1_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
