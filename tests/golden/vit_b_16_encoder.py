"""vit_b_16 from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to encoder · 768 channels
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models


class VisionTransformerToEncoder(nn.Module):
    """VisionTransformer up to `encoder`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.image_size = model.image_size
        self.patch_size = model.patch_size
        self.hidden_dim = model.hidden_dim
        self.class_token = model.class_token
        self.conv_proj = model.conv_proj
        self.encoder = model.encoder
        self.out_channels = 768

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        torch._assert(h == self.image_size, "Wrong image height! Expected image_size but got something else!")
        torch._assert(w == self.image_size, "Wrong image width! Expected image_size but got something else!")
        n_h = h // self.patch_size
        n_w = w // self.patch_size
        x = self.conv_proj(x)
        x = x.reshape(n, self.hidden_dim, n_h * n_w)
        x = x.permute(0, 2, 1)
        n = x.shape[0]
        batch_class_token = self.class_token.expand(n, -1, -1)
        x = torch.cat([batch_class_token, x], dim=1)
        return self.encoder(x)


def build_model() -> nn.Module:
    model = models.vit_b_16(weights=None)
    model = VisionTransformerToEncoder(model)
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("vit_b_16_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
