"""fasterrcnn_resnet50_fpn from torchvision · random weights, seed 0, as built and edited with modelview.

- Detach: no gradient before backbone
  Note: `detach()` leaves the value of `backbone` with its gradient for whoever holds it; `detach_()` would
  take it out of the graph for everybody, so that what is before it could not be trained by any way.
- Swap head: roi_heads.box_predictor.cls_score → Linear(1024, 3) · roi_heads.box_predictor.bbox_pred →
  Linear(1024, 12)
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.detection import FasterRCNN


class FasterRCNNDetachedAtBackbone(FasterRCNN):
    """FasterRCNN whose gradient ends after `backbone`."""

    def forward(self, images: Any, targets: Any = None) -> Any:
        def after_backbone(module: nn.Module, args: Any, output: Any) -> Any:
            return OrderedDict([
                ("0", output["0"].detach()),
                ("1", output["1"].detach()),
                ("2", output["2"].detach()),
                ("3", output["3"].detach()),
                ("pool", output["pool"].detach()),
            ])

        handles = [
            self.backbone.register_forward_hook(after_backbone),
        ]
        try:
            x = super().forward(images, targets)
        finally:
            for handle in handles:
                handle.remove()
        return x


def build_model() -> nn.Module:
    model = models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    model.__class__ = FasterRCNNDetachedAtBackbone
    model.roi_heads.box_predictor.cls_score = nn.Linear(1024, 3)
    model.roi_heads.box_predictor.bbox_pred = nn.Linear(1024, 12)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("fasterrcnn_resnet50_fpn_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
