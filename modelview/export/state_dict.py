"""The weights alone, under their names."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from modelview.errors import EditError
from modelview.export.base import EXPORTS, Export
from modelview.recipe import Recipe


@EXPORTS.register("state_dict")
class StateDict(Export):
    """`torch.save(model.state_dict())`: loads anywhere, with `weights_only=True`, into the model of model.py."""

    title: ClassVar[str] = "state_dict"
    about: ClassVar[str] = "The weights by name. Loading needs torch and the code that builds the model (model.py)."
    suffix: ClassVar[str] = ".pth"
    needs_weights: ClassVar[bool] = True

    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:  # noqa: ARG002
        if model is None:
            raise EditError("A state_dict is written from a built model.")
        torch.save(model.state_dict(), path)

    def loading(self, recipe: Recipe, file: str) -> str:  # noqa: ARG002
        return (
            "import torch\n\nfrom model import build_model\n\n"
            "model = build_model()\n"
            f'model.load_state_dict(torch.load("{file}", map_location="cpu", weights_only=True))'
        )

    def proof(self, recipe: Recipe, model: nn.Module | None, path: Path) -> str:  # noqa: ARG002
        if model is None:
            return ""
        ours = model.state_dict()
        theirs = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        differ = [name for name, values in ours.items() if not torch.equal(values.cpu(), theirs[name])]
        if differ or ours.keys() != theirs.keys():
            raise EditError(f"The file does not read back as it was written ({differ[:3]}); export it again.")
        return f"Read back: {len(ours):,} of {len(ours):,} tensors equal."
