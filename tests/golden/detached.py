"""vit_b_16 from torchvision · random weights, seed 0, as built and edited with modelview.

- Detach: no gradient before encoder.layers.encoder_layer_3
  Note: `detach()` leaves the value of `encoder.layers.encoder_layer_3` with its gradient for whoever holds
  it; `detach_()` would take it out of the graph for everybody, so that what is before it could not be trained
  by any way.
"""

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer


class VisionTransformerDetachedLayersEncoderLayer3(VisionTransformer):
    """VisionTransformer whose gradient ends after `encoder.layers.encoder_layer_3`."""

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
        torch._assert(x.dim() == 3, "Expected (batch_size, seq_length, hidden_dim) got something else")
        x = x + self.encoder.pos_embedding
        x = self.encoder.dropout(x)
        x = self.encoder.layers[:4](x).detach()
        x = self.encoder.layers[4:](x)
        x = self.encoder.ln(x)
        x = x[:, 0]
        return self.heads(x)


def build_model() -> nn.Module:
    model = VisionTransformerDetachedLayersEncoderLayer3(
        image_size=224,
        patch_size=16,
        num_layers=12,
        num_heads=12,
        hidden_dim=768,
        mlp_dim=3072,
    )
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("vit_b_16_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
