"""resnet50 from torchvision · random weights, seed 0, as built and edited with modelview.

- Fuse stages: 4 stages → Linear(3840, 10)
  Note: Widths 256 + 512 + 1,024 + 2,048 = 3,840. What ran after the last stage stays in the model, unused.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck


class FusedResNet(ResNet):
    """ResNet that classifies by `layer1`, `layer2`, `layer3`, `layer4` together."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        layer1 = self.layer1(x)
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        layer4 = self.layer4(layer3)
        x = torch.cat(
            [
                F.adaptive_avg_pool2d(layer1, 1),
                F.adaptive_avg_pool2d(layer2, 1),
                F.adaptive_avg_pool2d(layer3, 1),
                F.adaptive_avg_pool2d(layer4, 1),
            ],
            dim=1,
        )
        x = torch.flatten(x, 1)
        return self.fc(x)


def build_model() -> nn.Module:
    model = FusedResNet(block=Bottleneck, layers=[3, 4, 6, 3])
    model.fc = nn.Linear(3840, 10)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet50_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
