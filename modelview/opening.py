"""From what a person names to a recipe."""

from pathlib import Path
from typing import Any

from modelview.errors import EditError
from modelview.names import short, unknown
from modelview.recipe import Recipe
from modelview.sources.torchvision import torchvision

MOST_BYTES = 10_000_000


def open_recipe(spec: str, **keywords: Any) -> Recipe:
    """The recipe that `spec` names, without edits unless it is a recipe file.

    spec: "resnet50" or "torchvision:resnet50", or the path of a recipe.json (a path has a separator or a
    suffix). keywords go to the source: weights=None, seed=0, and what its builder takes.
    Raises UnknownName for names, EditError for keywords and files.
    """
    if not isinstance(spec, str) or not spec.strip():
        raise EditError('Name a model, such as "resnet50", or the path of a recipe.json.')
    kind, colon, name = spec.partition(":")
    if not colon and _is_path(spec):
        return _from_file(Path(spec), keywords)
    if not colon:
        return Recipe(torchvision(spec, **keywords))
    if kind != "torchvision":
        raise unknown("source", kind, ["torchvision"])
    return Recipe(torchvision(name, **keywords))


def _is_path(spec: str) -> bool:
    return "/" in spec or "\\" in spec or bool(Path(spec).suffix)


def _from_file(path: Path, keywords: dict[str, Any]) -> Recipe:
    if not path.is_file():
        raise EditError(f"There is no file {short(str(path))!r}.")
    if path.suffix != ".json":
        raise EditError(
            f"{short(path.name)!r} is not a recipe.json; modelview opens torchvision's models by name, such as "
            '"resnet50", and recipes it wrote.'
        )
    if keywords:
        raise EditError(f"A recipe has its own source; {next(iter(keywords))!r} cannot be given with it.")
    if path.stat().st_size > MOST_BYTES:
        raise EditError(f"{short(path.name)!r} is over {MOST_BYTES / 1e6:.0f} MB; no recipe is.")
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise EditError(f"{short(path.name)!r} is not text, so it is no recipe.json.") from error
