"""The whole model, pickled."""

import io
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from modelview.errors import EditError
from modelview.export.base import EXPORTS, Export
from modelview.recipe import Recipe, structure_of

ALLOWED = frozenset(
    {"torch", "torchvision", "collections", "builtins", "__builtin__", "functools", "typing", "math", "operator"}
)
"""Top packages whose classes and functions a file may name, so that it loads where modelview is not."""


@EXPORTS.register("module")
@dataclass(frozen=True)
class Module(Export):
    """`torch.save(model)`: one file, structure and weights, of torch's and torchvision's classes only."""

    title: ClassVar[str] = "Whole model"
    about: ClassVar[str] = (
        "Structure and weights in one pickle. Loading needs torch and torchvision of about this version, "
        "and trust: unpickling runs code."
    )
    suffix: ClassVar[str] = ".pth"
    needs_weights: ClassVar[bool] = True

    def refusal(self, recipe: Recipe) -> str | None:
        foreign = sorted({_name(module) for module in structure_of(recipe).model.modules() if not _allowed(module)})
        if not foreign:
            return None
        return (
            f"A whole-model file holds torch's and torchvision's classes only, and this model has {foreign[0]}. "
            "Export python and state_dict instead."
        )

    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:  # noqa: ARG002
        if model is None:
            raise EditError("A whole model is written from a built model.")
        torch.save(model, path)
        foreign = sorted(name for name in pickled_names(path) if name.partition(".")[0] not in ALLOWED)
        if foreign:
            raise EditError(
                f"This model refers to {foreign[0]}, so the file would load here only. "
                "Export python and state_dict instead."
            )

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        return (
            "import torch\n\n"
            f'model = torch.load("{file}", map_location="cpu", weights_only=False)  # runs code: only files you trust\n'
            "model.eval()"
        )


def _name(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _allowed(module: nn.Module) -> bool:
    return type(module).__module__.partition(".")[0] in ("torch", "torchvision")


def pickled_names(path: Path) -> set[str]:
    """Every "module.name" that unpickling a torch file of protocol 2 would import; nothing is run."""
    with zipfile.ZipFile(path) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        operations = pickletools.genops(io.BytesIO(archive.read(entry)))
        return {str(argument).replace(" ", ".") for code, argument, _ in operations if code.name == "GLOBAL"}
