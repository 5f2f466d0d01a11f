"""vgg11 from torchvision · random weights, seed 0, as built and edited with modelview.

- Rename: features.0 → features.stem, classifier → head
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models import VGG
from torchvision.models.vgg import make_layers


class RenamedVGG(VGG):
    """VGG where `classifier` is `head`."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.head(x)


def build_model() -> nn.Module:
    model = RenamedVGG(
        features=make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]),
    )
    rows = list(model.features.named_children())
    rows[0] = ("stem", rows[0][1])
    model.features = nn.Sequential(OrderedDict(rows))
    model.head = model.classifier
    del model.classifier
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("vgg11_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
