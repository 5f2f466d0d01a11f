"""deeplabv3_resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Add outputs: output, backbone
  Note: `backbone`: out: 1 × 2048 × 65 × 65.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import DeepLabV3
from torchvision.models.segmentation.deeplabv3 import DeepLabHead


class DeepLabV3WithBackbone(DeepLabV3):
    """DeepLabV3 that returns `backbone` beside its output."""

    def forward(self, x: Tensor) -> Any:
        input_shape = x.shape[-2:]
        backbone = self.backbone(x)
        x = backbone["out"]
        x = self.classifier(x)
        return {
            "out": F.interpolate(x, size=input_shape, mode="bilinear", align_corners=False),
            "backbone": backbone,
        }


def build_model() -> nn.Module:
    model = DeepLabV3WithBackbone(
        backbone=IntermediateLayerGetter(
            models.resnet50(replace_stride_with_dilation=[False, True, True]),
            {"layer4": "out"},
        ),
        classifier=DeepLabHead(2048, 21),
    )
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("deeplabv3_resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
