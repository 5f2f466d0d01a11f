"""fasterrcnn_resnet50_fpn from torchvision · random weights, seed 0, as built and edited with modelview.

- Swap head: roi_heads.box_predictor.cls_score → Linear(1024, 3) · roi_heads.box_predictor.bbox_pred →
  Linear(1024, 12)
"""

import torch
from torch import nn
from torchvision import models


def build_model() -> nn.Module:
    model = models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    model.roi_heads.box_predictor.cls_score = nn.Linear(1024, 3)
    model.roi_heads.box_predictor.bbox_pred = nn.Linear(1024, 12)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("fasterrcnn_resnet50_fpn_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
