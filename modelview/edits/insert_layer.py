"""One more layer before, after or around a module."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import as_layer, require_names
from modelview.edits.neighbours import (
    Place,
    Rows,
    chained,
    chained_code,
    fitted,
    heads_after,
    place_of,
    single,
)
from modelview.edits.tapping import called
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.layers import Layer
from modelview.names import unknown
from modelview.proof import SAME_OUTPUT
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.shapes import text

_SILENT = {"Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"}
"""Layers that change nothing in eval mode."""

PLACES = ("after", "before", "around")


@EDITS.register("insert_layer")
@dataclass(frozen=True)
class InsertLayer(Edit):
    """Run `layer` after the module at `path`, before it, or around it: once on either side.

    Widths that the layer leaves open, as in `BatchNorm2d()` or `GroupNorm(8)`, are those of the value at its place. In
    a Sequential it becomes one more row: under `name`, or numbered in, which renames what follows. Elsewhere a
    Sequential of the module and the layer takes the module's place, which renames what is below it.
    """

    title: ClassVar[str] = "Insert layer"

    path: Annotated[ModulePath, Ask("Module")]
    layer: Annotated[Layer, Ask("New layer", "Widths may be left open: BatchNorm2d()")]
    where: Annotated[str, Ask("Where", choices=PLACES)] = "after"
    name: Annotated[str | None, Ask("Name", "In a Sequential it keeps the others' numbers.", rare=True)] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer", as_layer(self.layer))
        object.__setattr__(self, "name", self.name or None)

    def plan(self, before: Structure) -> Change:
        if self.where not in PLACES:
            raise unknown("place", str(self.where), PLACES)
        place = place_of(before, self.path)
        sides = ("before", "after") if self.where == "around" else (self.where,)
        shapes = {side: single(before, self.path, output=side == "after") for side in sides}
        if "after" in sides:
            self._require_channels_where_taken(before)
        layers = {side: fitted(self.layer, shape) for side, shape in shapes.items()}
        names = self._names(place, sides)
        summary = " · ".join(f"{layer.text} {side} {self.path}" for side, layer in layers.items())
        plan = self._in_a_row if place.chain else self._wrapped
        change = plan(before, place, layers, names, summary)
        return replace(change, promise=SAME_OUTPUT) if self.layer.parts()[0] in _SILENT else change

    def _require_channels_where_taken(self, before: Structure) -> None:
        """Raises EditError where a width that was left open would be that of another axis than the channels'."""
        if not self.layer.leaves_widths_open or self.layer.parts()[0].endswith("Linear"):
            return
        call, kind = called(before, self.path)[-1], self.layer.parts()[0]
        shape, axis = call.outputs, channel_axis(before.trace, call.result[0]) if call.result else 1
        if self.layer.takes_last and axis != len(shape) - 1:
            raise EditError(
                f"`{self.path}` returns {text(shape)}, with its {shape[axis]:,} channels second, and {kind} takes them "
                f"last: insert GroupNorm(1, {shape[axis]}), or write the width."
            )
        if not self.layer.takes_last and axis != 1:
            raise EditError(
                f"`{self.path}` returns {text(shape)}, with its {shape[axis]:,} channels last, and {kind} takes them "
                f"second: insert LayerNorm({shape[axis]}), or write the width."
            )

    def _names(self, place: Place, sides: tuple[str, ...]) -> dict[str, str]:
        """The name of each new layer, by its side; {} where they are numbered."""
        if self.name is not None:
            require_names([self.name])
            names = {side: f"{self.name}_{side}" if len(sides) > 1 else self.name for side in sides}
            if taken := [n for n in names.values() if n in (place.names if place.chain else place.names[place.index])]:
                raise EditError(f"A layer beside `{self.path}` is called {taken[0]!r} already; choose another name.")
            return names
        if not place.chain or place.numbered:
            return {}
        stem = self.layer.parts()[0].lower()
        free = (name for name in (stem, *(f"{stem}_{n}" for n in range(1, 999))) if name not in place.names)
        return {side: next(free) for side in sides}

    def _in_a_row(
        self, before: Structure, place: Place, layers: dict[str, Layer], names: dict[str, str], summary: str
    ) -> Change:
        at = {"after": place.index + 1, "before": place.index}
        inserted = [(at[side], names.get(side, ""), layers[side]) for side in ("after", "before") if side in layers]
        rows = Rows(place, tuple(inserted), renumber=not names)
        first, last = next(iter(rows.moved.items()), ("", ""))
        notes = (f"The layers behind it are renumbered: `{first}` is `{last}` now. With a name they are not.",)
        return Change(
            summary,
            rows.apply,
            rows.code(before.model),
            notes if first else (),
            heads=heads_after(before, rows.moved),
            moved=tuple(rows.moved.items()),
        )

    def _wrapped(
        self, before: Structure, place: Place, layers: dict[str, Layer], names: dict[str, str], summary: str
    ) -> Change:
        own = place.names[place.index]
        new = {side: (names.get(side, ""), layer) for side, layer in layers.items()}
        rows = tuple(filter(None, (new.get("before"), (own, None), new.get("after"))))
        inner = f"{self.path}.{own if names else int('before' in new)}"
        return Change(
            summary,
            lambda model: chained(self.path, rows, model, named=bool(names)),
            chained_code(self.path, rows, before.model, named=bool(names)),
            (f"`{self.path}` is a Sequential now: what was below it is below `{inner}`.",),
            heads=heads_after(before, {self.path: inner}),
            moved=((self.path, inner),),
        )
