"""FasterRCNN from torchvision · FasterRCNN(backbone=resnet_fpn_backbone(backbone_name='resnet18',
  weights=None), num_classes=91) · random weights, seed 0, as built and edited with modelview.

- Swap head: roi_heads.box_predictor.cls_score → Linear(1024, 3) · roi_heads.box_predictor.bbox_pred →
  Linear(1024, 12)
- Freeze: 11,010,048 parameters frozen
"""

import torch
from torch import nn
from torchvision import models
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone


def build_model() -> nn.Module:
    model = models.detection.FasterRCNN(
        backbone=resnet_fpn_backbone(backbone_name="resnet18", weights=None),
        num_classes=91,
    )
    model.roi_heads.box_predictor.cls_score = nn.Linear(1024, 3)
    model.roi_heads.box_predictor.bbox_pred = nn.Linear(1024, 12)
    model.backbone.body.requires_grad_(False)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("FasterRCNN_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
