"""The recipe itself."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import nn

from modelview.export.base import EXPORTS, Export
from modelview.proof import rows
from modelview.recipe import Recipe


@EXPORTS.register("recipe")
@dataclass(frozen=True)
class RecipeDocument(Export):
    """What was meant, as recipe.json: opens in modelview, on the screen and on the command line."""

    title: ClassVar[str] = "recipe.json"
    about: ClassVar[str] = "The source and the edits as text. Opens in modelview; holds no weights and no code."
    suffix: ClassVar[str] = ".json"
    needs_weights: ClassVar[bool] = False

    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:  # noqa: ARG002
        document = json.loads(recipe.to_json())
        if any(recipe.proofs()):
            document["proofs"] = [list(rows(proofs)) for proofs in recipe.proofs()]
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        return f'import modelview as mv\n\nrecipe = mv.open("{file}")\nmodel = recipe.build()'
