"""The code that makes the model."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from modelview.export.base import EXPORTS, TextExport
from modelview.recipe import Recipe


@EXPORTS.register("python")
@dataclass(frozen=True)
class PythonCode(TextExport):
    """Standalone Python with `build_model()`."""

    title: ClassVar[str] = "model.py"
    about: ClassVar[str] = "The code that builds the model. It needs torch and torchvision, and no modelview."
    suffix: ClassVar[str] = ".py"

    def text(self, recipe: Recipe) -> str:
        return recipe.code()

    def needs(self, recipe: Recipe) -> str:
        files = re.findall(r"""torch\.load\((["'].*["']), map_location="cpu", weights_only=False\)""", recipe.code())
        return f"It needs {files[0]} beside it, since no calls make that model, and runs what it says." if files else ""

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        name = Path(file).stem
        module = name if name.isidentifier() else "model"
        return f"from {module} import build_model\n\nmodel = build_model()"
