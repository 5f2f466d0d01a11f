"""When a prediction says something about its input."""

from pathlib import Path

import pytest
import torch
from torchvision import models

from modelview import LoadWeights, Prefix, Recipe, SelectClasses, SwapHead, files
from modelview.edits.base import Edit
from modelview.inspect.predictions import caveat
from modelview.sources.torchvision import Torchvision

RANDOM = Recipe(Torchvision("squeezenet1_1"))
TRAINED = Recipe(Torchvision("squeezenet1_1", "IMAGENET1K_V1"))


@pytest.mark.parametrize(
    ("recipe", "edits", "begins"),
    [
        (RANDOM, (), "The weights are random"),
        (RANDOM, (Prefix("net."),), "The weights are random"),
        (TRAINED, (), ""),
        (TRAINED, (Prefix("net."),), ""),
        (TRAINED, (SelectClasses((0, 1)),), ""),
        (TRAINED, (SwapHead(5),), "The head is new"),
    ],
)
def test_why_a_prediction_says_nothing(recipe: Recipe, edits: tuple[Edit, ...], begins: str) -> None:
    said = caveat(Recipe(recipe.source, edits))
    assert said.startswith(begins)
    assert bool(said) == bool(begins)


def test_weights_of_a_file_are_not_random(tmp_path: Path) -> None:
    torch.save(models.squeezenet1_1(num_classes=5).state_dict(), tmp_path / "tuned.pth")
    tuned = Recipe(Torchvision("squeezenet1_1", keywords=(("num_classes", 5),)))
    assert caveat(tuned.then(LoadWeights(files.give(tmp_path / "tuned.pth")))) == ""
