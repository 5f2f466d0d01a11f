"""What a format is, the registry that finds every one in this folder, and writing without half-written files."""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import ClassVar

from torch import nn

from modelview.errors import EditError
from modelview.names import for_file, unknown
from modelview.recipe import Recipe
from modelview.registry import Registry

EXPORTS: Registry[type["Export"]] = Registry("export format", "modelview.export")


class Export(ABC):
    """A way to take a recipe away as one file."""

    title: ClassVar[str]
    about: ClassVar[str]
    """What the file is and what loading it needs, in one sentence."""
    suffix: ClassVar[str]
    needs_weights: ClassVar[bool]

    @abstractmethod
    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:
        """Write the file. model: the built recipe, given where the format needs weights; not to be changed."""

    @abstractmethod
    def loading(self, recipe: Recipe, file: str) -> str:
        """The lines of Python that load a file of this name."""

    def refusal(self, recipe: Recipe) -> str | None:  # noqa: ARG002 - most formats take every recipe
        """Why this recipe cannot be written in this format, and what can; None where it can."""
        return None

    def needs(self, recipe: Recipe) -> str:  # noqa: ARG002 - most formats stand alone
        """What this recipe's file needs besides what `about` says, in one sentence; "" where nothing."""
        return ""

    def proof(self, recipe: Recipe, model: nn.Module | None, path: Path) -> str:  # noqa: ARG002
        """What was compared after reading the file back, in words; "" where there is nothing to compare."""
        return ""


class TextExport(Export):
    """A format that is text, for which no weights are needed."""

    needs_weights: ClassVar[bool] = False

    @abstractmethod
    def text(self, recipe: Recipe) -> str:
        """The whole file."""

    def write(self, recipe: Recipe, model: nn.Module | None, path: Path) -> None:  # noqa: ARG002
        path.write_text(self.text(recipe), encoding="utf-8")


def export(recipe: Recipe, format: str, path: str | Path, *, model: nn.Module | None = None, **options: object) -> Path:
    """Write `recipe` to `path` and return the path. Written beside and renamed, so never half there.

    format: "state_dict", "module", "python" or "recipe". model: the built recipe where it is at hand
    already; it is built here otherwise. options: the format's own, such as prefix="module.", dtype="float16".
    Raises UnknownName for a format or option, EditError where the folder is missing or the format cannot hold
    the recipe, and whatever `Recipe.build` raises.
    """
    form = made(format, options)
    target = Path(path)
    if not target.parent.is_dir():
        raise EditError(f"There is no folder {str(target.parent)!r} to write {target.name!r} into; make it first.")
    if target.is_dir():
        raise EditError(f"{str(target)!r} is a folder; name a file in it, such as {filename(recipe, format)!r}.")
    if reason := form.refusal(recipe):
        raise EditError(reason)
    if form.needs_weights and model is None:
        model = recipe.build()
    handle, name = tempfile.mkstemp(prefix=".modelview-", suffix=".part", dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        form.write(recipe, model, beside)
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def made(format: str, options: Mapping[str, object]) -> Export:
    """The format of that name with its options. Raises UnknownName for either, EditError for a value."""
    cls = EXPORTS[format]
    known: list[str] = [field.name for field in fields(cls)] if is_dataclass(cls) else []
    for name in options:
        if name not in known:
            raise unknown(f"option of {format}", name, known)
    return cls(**options)


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def filename(recipe: Recipe, format: str) -> str:
    """A sensible name for a download, such as resnet50_state_dict.pth; the code is always model.py."""
    if format == "python":
        return "model.py"
    return named_after(recipe, f"_{format}{EXPORTS[format].suffix}")


def named_after(recipe: Recipe, ending: str) -> str:
    """A name for a file with something of this recipe in it, harmless whatever its source is called."""
    return f"{for_file(recipe.source.title) or 'model'}{ending}"
