"""A recipe as a source: a model that was opened and edited becomes a row of another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from modelview.errors import EditError
from modelview.names import short
from modelview.recipe import Recipe
from modelview.rewrite import constructed, merged
from modelview.script import Code, together
from modelview.sources.base import SOURCES, Progress, Shape, Source


@SOURCES.register("recipe")
@dataclass(frozen=True)
class Edited(Source):
    """What a recipe comes to, with all of its edits."""

    heads_by_output: ClassVar[bool] = True

    recipe: Recipe

    @property
    def title(self) -> str:
        return self.recipe.source.title

    @property
    def origin(self) -> str:
        edits = ", ".join(edit.title.lower() for edit in self.recipe.edits)
        return f"{self.recipe.source.origin} · then {edits}" if edits else self.recipe.source.origin

    @property
    def example(self) -> tuple[Shape, ...]:
        return self.recipe.example

    def structure(self) -> nn.Module:
        return self.recipe.structure()

    def load(self, progress: Progress | None = None) -> nn.Module:
        return self.recipe.build(progress=progress)

    def code(self) -> Code:
        """What makes the model; an edit that only adds something beside it, such as an optimizer, is left out."""
        changes = [change.code for change in self.recipe.changes()]
        parts = merged([self.recipe.source.code(), *(code for code in changes if code.statements)])
        return together(constructed(parts, self.recipe.source.subclassed))

    def arguments(self, *tensors: Any) -> tuple[Any, ...]:
        return self.recipe.source.taken(*tensors)

    @property
    def categories(self) -> tuple[str, ...]:
        return self.recipe.categories()


def as_source(recipe: Recipe) -> Source:
    """The recipe as a source: its own, where nothing was done to it."""
    return Edited(recipe) if recipe.edits else recipe.source


def with_blocks(rows: Any, blocks: Mapping[str, Recipe]) -> tuple[Any, tuple[tuple[str, Source], ...]]:
    """The rows with every recipe in them written as a call, and the models that rows call by name.

    A recipe in a row is called as its row is, or block0 and so on. Raises EditError where two models have one name.
    """
    named = dict(blocks)
    pairs = list(rows.items()) if isinstance(rows, Mapping) else rows
    if not isinstance(pairs, list | tuple):
        return rows, _sources(named)
    found = []
    for number, row in enumerate(pairs):
        pair = row if isinstance(row, list | tuple) and len(row) == 2 else ("", row)
        if not isinstance(pair[1], Recipe):
            found.append(row)
            continue
        name = _name(pair[0], number)
        if named.get(name, pair[1]) != pair[1]:
            raise EditError(f"Two models are called {name!r}: give one of them another name.")
        named[name] = pair[1]
        found.append((pair[0], f"{name}()"))
    return found, _sources(named)


def _name(own: Any, number: int) -> str:
    return own if isinstance(own, str) and own.isidentifier() else f"block{number}"


def _sources(blocks: Mapping[str, Recipe]) -> tuple[tuple[str, Source], ...]:
    return tuple((name, as_source(recipe)) for name, recipe in blocks.items())


def require_recipes(blocks: Any) -> Iterable[tuple[str, Any]]:
    """The pairs of `blocks`, names and what they stand for. Raises EditError for what is no mapping."""
    if not isinstance(blocks, Mapping):
        raise EditError(
            'blocks are models by the names that rows call them by, such as blocks={"backbone": "backbone.json"}; '
            f"got {short(repr(blocks))}."
        )
    return blocks.items()
