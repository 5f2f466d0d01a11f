"""The recipe itself."""

import json
from dataclasses import dataclass
from typing import ClassVar

from modelview.export.base import EXPORTS, TextExport
from modelview.proof import rows
from modelview.recipe import Recipe


@EXPORTS.register("recipe")
@dataclass(frozen=True)
class RecipeDocument(TextExport):
    """What was meant, as recipe.json: opens in modelview, on the screen and on the command line."""

    title: ClassVar[str] = "recipe.json"
    about: ClassVar[str] = "The source and the edits as text. Opens in modelview; holds no weights and no code."
    suffix: ClassVar[str] = ".json"

    def text(self, recipe: Recipe) -> str:
        document = json.loads(recipe.to_json())
        if any(recipe.proofs()):
            document["proofs"] = [list(rows(proofs)) for proofs in recipe.proofs()]
        return json.dumps(document, indent=2) + "\n"

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        return f'import modelview as mv\n\nrecipe = mv.open("{file}")\nmodel = recipe.build()'
