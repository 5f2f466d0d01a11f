"""raft_small from torchvision · random weights, seed 0, as built and edited with modelview.

- Truncate: up to feature_encoder.layer2 · 64 channels
  Note: The forward cannot be traced, so it runs as before and is stopped at this module.
"""

from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.optical_flow import RAFT


class RAFTToFeatureEncoderLayer2(RAFT):
    """RAFT up to `feature_encoder.layer2`.

    It keeps all layers; the forward stops when that one has run.
    """

    class Reached(Exception):
        """Ends the forward pass with the value in `args[0]`."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        def stop(module: nn.Module, inputs: Any, output: Any) -> None:
            raise RAFTToFeatureEncoderLayer2.Reached(output)

        layer = self.feature_encoder.layer2
        handle = layer.register_forward_hook(stop)
        try:
            super().forward(*args, **kwargs)
        except RAFTToFeatureEncoderLayer2.Reached as reached:
            return reached.args[0]
        finally:
            handle.remove()
        raise RuntimeError("feature_encoder.layer2 was not called")


def build_model() -> nn.Module:
    model: Any = models.optical_flow.raft_small(weights=None)
    model.__class__ = RAFTToFeatureEncoderLayer2
    model.out_channels = 64
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("raft_small_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
