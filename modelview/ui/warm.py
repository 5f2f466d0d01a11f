"""What the first visitor should not have to wait for."""

from modelview.edits.base import EDITS
from modelview.opening import open_recipe
from modelview.recipe import structure_of


def up() -> None:
    """Import torch, torchvision and every edit, and trace one small model."""
    list(EDITS)
    _ = structure_of(open_recipe("resnet18")).trace
