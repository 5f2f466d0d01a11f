"""raft_small from torchvision · random weights, seed 0, as built and edited with modelview.

- Rename: feature_encoder → features
  Note: The forward that RenamedRAFT inherits still says `feature_encoder`, which it answers by a property. A
  whole-model file cannot hold such a class.
"""

from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models.optical_flow import RAFT


class RenamedRAFT(RAFT):
    """RAFT where `feature_encoder` is `features`; the forward still says `feature_encoder`."""

    @property
    def feature_encoder(self) -> Any:
        return self.features


def build_model() -> nn.Module:
    model = models.optical_flow.raft_small(weights=None)
    model.features = model.feature_encoder
    del model.feature_encoder
    model.__class__ = RenamedRAFT
    return model


if __name__ == "__main__":
    model = build_model()
    weights = torch.load("raft_small_state_dict.pth", map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    model.eval()
