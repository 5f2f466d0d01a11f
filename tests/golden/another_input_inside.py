"""resnet18 from torchvision · random weights, seed 0, as built and edited with modelview.

- Add input: add_variable 1 × 3 joined after layer2
  Note: `add_variable` is repeated at every position of 1 × 128 × 28 × 28. `Conv2d(131, 128, kernel_size=1)`
  brings 131 channels to what follows.
"""

import torch
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock


class ResNetWithAddVariable(ResNet):
    """ResNet with another input, `add_variable`."""

    def forward(self, x: Tensor, add_variable: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        add_variable = add_variable.reshape(-1, 3, 1, 1).expand(-1, -1, x.size(2), x.size(3))
        x = torch.cat([x, add_variable], dim=1)
        x = self.join(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.fc(x)


def build_model() -> nn.Module:
    model = ResNetWithAddVariable(block=BasicBlock, layers=[2, 2, 2, 2])
    model.join = nn.Conv2d(131, 128, kernel_size=1)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("resnet18_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
