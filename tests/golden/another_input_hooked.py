"""fasterrcnn_resnet50_fpn from torchvision · random weights, seed 0, as built and edited with modelview.

- Add input: add_variable 1 × 2 joined after backbone.body.layer2
  Note: `add_variable` is repeated at every position of 1 × 512 × 16 × 16. `Conv2d(514, 512, kernel_size=1)`
  brings 514 channels to what follows.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class FasterRCNNWithAddVariable(nn.Module):
    """FasterRCNN with another input, `add_variable`."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.join = nn.Conv2d(514, 512, kernel_size=1)

    def forward(self, images: Any, add_variable: Tensor, targets: Any = None) -> Any:
        def after_net_backbone_body_layer2(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            x = add_variable.reshape(-1, 2, 1, 1).expand(-1, -1, output.size(2), output.size(3))
            x = torch.cat([output, x], dim=1)
            return self.join(x)

        handles = [
            self.net.backbone.body["layer2"].register_forward_hook(after_net_backbone_body_layer2),
        ]
        try:
            x = self.net(images, targets)
        finally:
            for handle in handles:
                handle.remove()
        return x


def build_model() -> nn.Module:
    model = models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    model = FasterRCNNWithAddVariable(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("fasterrcnn_resnet50_fpn_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
