"""ConvNeXt from torchvision · random weights, seed 0, as built and edited with modelview.

- Fuse stages: 2 stages → Linear(288, 10)
  Note: Widths 96 + 192 = 288. What ran after the last stage stays in the model, unused.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ConvNeXt
from torchvision.models.convnext import CNBlockConfig


class FusedConvNeXt(ConvNeXt):
    """ConvNeXt that classifies by `features.1`, `features.3` together."""

    def forward(self, x: Tensor) -> Tensor:
        features_1 = self.features[:2](x)
        features_3 = self.features[2:4](features_1)
        x = torch.cat([F.adaptive_avg_pool2d(features_1, 1), F.adaptive_avg_pool2d(features_3, 1)], dim=1)
        x = torch.flatten(x, 1)
        return self.classifier(x)


def build_model() -> nn.Module:
    model = FusedConvNeXt(
        block_setting=[
            CNBlockConfig(96, 192, 3),
            CNBlockConfig(192, 384, 3),
            CNBlockConfig(384, 768, 9),
            CNBlockConfig(768, None, 3),
        ],
    )
    model.classifier = nn.Linear(288, 10)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("ConvNeXt_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
