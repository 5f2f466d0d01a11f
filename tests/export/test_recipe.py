from pathlib import Path

from modelview.edits.swap_head import SwapHead
from modelview.export.base import export
from modelview.opening import open_recipe
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision


def test_it_opens_again(tmp_path: Path) -> None:
    recipe = Recipe(Torchvision("squeezenet1_1")).then(SwapHead(4))
    assert open_recipe(str(export(recipe, "recipe", tmp_path / "r.json"))) == recipe
