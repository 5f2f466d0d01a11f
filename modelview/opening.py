"""From what a person names to a recipe."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modelview import files as given
from modelview.errors import EditError
from modelview.names import short, unknown
from modelview.nested import require_recipes, with_blocks
from modelview.recipe import Recipe
from modelview.recognised import recognise
from modelview.sources.base import Source
from modelview.sources.composed import made_here
from modelview.sources.factory import allow, factory
from modelview.sources.timm import timm
from modelview.sources.torchvision_class import from_torchvision

MOST_BYTES = 10_000_000


def composed(name: str, **keywords: Any) -> Source:
    """`made_here`, where rows may be recipes, or call those that `blocks` has by name: recipes, or specs of some."""
    given = keywords.pop("blocks", {})
    blocks = {own: found if isinstance(found, Recipe) else open_recipe(found) for own, found in require_recipes(given)}
    if "rows" in keywords:
        keywords["rows"], sources = with_blocks(keywords["rows"], blocks)
        keywords |= {"blocks": sources} if sources else {}
    elif given:
        keywords["blocks"] = given  # for the complaint
    return made_here(name, **keywords)


NAMED: dict[str, Callable[..., Source]] = {"torchvision": from_torchvision, "timm": timm, "modelview": composed}
"""What has models by name: "timm:resnet50"."""


def open_recipe(spec: str | Path, *, files: Iterable[str | Path] = (), **keywords: Any) -> Recipe:
    """The recipe that `spec` names, without edits unless it is a file.

    spec: "resnet50", "torchvision:resnet50" or "timm:resnet50"; a class with its arguments, "torchvision:ResNet";
    "modelview:unet", or "modelview:sequential" and the like with rows, which may be recipes; or the path of a
    recipe.json, or of any checkpoint, which is read without being run, recognised, and loaded into its architecture (a
    path has a separator or a suffix); or "package.module:function", a factory of your own, which is imported and
    called, here and in every recipe that this process opens from now on. files: what a recipe.json may use. keywords go
    to the source: weights=None, seed=0, and what its builder takes; for rows also blocks={"name": recipe}; for a
    factory also input=(1, 3, 224, 224); for a checkpoint at="ema" chooses among several state_dicts. Raises UnknownName
    for names, EditError for keywords and recipes, CheckpointError for files.
    """
    for file in files:
        given.give(file)
    spec = str(spec) if isinstance(spec, Path) else spec
    if not isinstance(spec, str) or not spec.strip():
        raise EditError('Name a model, such as "resnet50", or the path of a recipe.json.')
    if _is_path(spec):
        return _from_file(Path(spec), keywords)
    kind, colon, name = spec.partition(":")
    if not colon:
        return Recipe(from_torchvision(spec, **keywords))
    if kind in NAMED:
        return Recipe(NAMED[kind](name, **keywords))
    if _is_typo(kind):
        raise unknown("source", kind, NAMED)
    allow(spec)
    return Recipe(factory(spec, **keywords))


def _is_path(spec: str) -> bool:
    return "/" in spec or "\\" in spec or (":" not in spec and bool(Path(spec).suffix))


def _is_typo(kind: str) -> bool:
    """Whether it is nearly the name of a source, and no package that a factory could be in."""
    return kind.isidentifier() and bool(get_close_matches(kind, NAMED)) and find_spec(kind) is None


def _from_file(path: Path, keywords: dict[str, Any]) -> Recipe:
    if not given.exists(path):
        raise EditError(f"There is no file {short(str(path))!r}.")
    if path.suffix != ".json" or path.name.endswith(".index.json"):
        return _from_checkpoint(path, **keywords)
    if keywords:
        raise EditError(f"A recipe has its own source; {next(iter(keywords))!r} cannot be given with it.")
    if path.stat().st_size > MOST_BYTES:
        raise EditError(f"{short(path.name)!r} is over {MOST_BYTES / 1e6:.0f} MB; no recipe is.")
    try:
        return Recipe.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise EditError(f"{short(path.name)!r} is not text, so it is no recipe.json.") from error


def _from_checkpoint(path: Path, at: str = "", **keywords: Any) -> Recipe:
    if keywords:
        raise EditError(
            f"A checkpoint has its own weights and shapes; {next(iter(keywords))!r} cannot be given with it."
        )
    return recognise(given.give(path), at).recipe
