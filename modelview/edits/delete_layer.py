"""A layer taken out."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.neighbours import Place, Rows, heads_after, place_of
from modelview.edits.replace_layer import placing, put
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.layers import KNOWN, Layer, written
from modelview.names import unknown
from modelview.script import Code
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.records import Call
from modelview.trace.shapes import is_shape, text

WAYS = ("", "next", "1x1", "input")


@EDITS.register("delete_layer")
@dataclass(frozen=True)
class DeleteLayer(Edit):
    """Take the module at `path` out: its row where it stands in a Sequential, else an Identity takes its place.

    renumber: later rows of a Sequential of numbers move up, as `del` does; off, they keep their names.
    adapt: what is done where its neighbours no longer fit: "next" gives the next layer the width that comes, new
    weights with it; "1x1" puts a convolution of one pixel, or a Linear, in its place; "input" lets the model begin
    with what came out of the layer, which was its first. The other layers keep their weights.
    """

    title: ClassVar[str] = "Delete layer"

    path: Annotated[ModulePath, Ask("Module")]
    renumber: Annotated[bool, Ask("Renumber", "Later rows of a Sequential move up, which renames them.")] = False
    adapt: Annotated[str, Ask("Where it no longer fits", choices=WAYS, help="What takes up the other width.")] = ""

    def remedies(self, before: Structure) -> tuple[Edit, ...]:  # noqa: ARG002 - the same everywhere
        """The same with each way to make its neighbours fit."""
        return tuple(replace(self, adapt=way) for way in WAYS[1:]) if not self.adapt else ()

    def plan(self, before: Structure) -> Change:
        if self.adapt not in WAYS:
            raise unknown("way to adapt", str(self.adapt), WAYS[1:])
        place = place_of(before, self.path)
        calls = before.calls(self.path)
        if self.adapt == "1x1":
            return self._substituted(before, self._only_call(calls))
        in_a_row = place.chain and len(place.names) > 1
        deleted = self._row(before, place) if in_a_row else self._identity(before)
        if self.adapt == "next":
            return self._with_next(before, deleted, self._only_call(calls))
        if self.adapt == "input":
            return self._begun(before, deleted, self._only_call(calls))
        return deleted

    def _row(self, before: Structure, place: Place) -> Change:
        rows = Rows(place, deleted=(place.index,), renumber=self.renumber and place.numbered)
        first, last = next(((old, new) for old, new in rows.moved.items() if new), ("", ""))
        notes = (f"The layers behind it are renumbered: `{first}` is `{last}` now.",) if first else ()
        return self._without(before, rows.moved, Change("", rows.apply, rows.code(before.model), notes))

    def _without(self, before: Structure, moved: dict[str, str], change: Change) -> Change:
        """The change, with what becomes of the heads."""
        heads = heads_after(before, moved)
        return replace(
            change,
            summary=f"without {self.path}",
            heads=heads,
            moved=tuple(moved.items()),
            reclassed=heads == (),
        )

    def _identity(self, before: Structure) -> Change:
        if isinstance(before.module(self.path), nn.Identity):
            raise EditError(f"`{self.path}` is an Identity, which does nothing; there is nothing to delete.")
        change = Change(
            "",
            lambda model: put(model, self.path, nn.Identity()),
            Code((placing(before.model, self.path, "nn.Identity()"),)),
            (f"The forward calls `{self.path}`, so an Identity stands there, which passes everything on.",),
        )
        return self._without(before, {self.path: ""}, change)

    def _only_call(self, calls: list[Call]) -> Call:
        if len(calls) != 1 or not is_shape(calls[0].inputs) or not is_shape(calls[0].outputs):
            raise EditError(f"`{self.path}` is not called once with one tensor, so nothing can be fitted to it.")
        return calls[0]

    def _substituted(self, before: Structure, call: Call) -> Change:
        shape, wanted = call.inputs, call.outputs
        stride = _stride(shape, wanted)
        if stride is None:
            raise EditError(
                f"`{self.path}` makes {text(wanted)} of {text(shape)}, which no layer of one pixel does. "
                "Replace it instead."
            )
        kind = f"Conv{len(shape) - 2}d" if 2 < len(shape) <= 5 else "Linear"
        more = ", kernel_size=1" + (f", stride={stride}" if stride > 1 else "") if kind != "Linear" else ""
        layer = Layer(f"{kind}({shape[1]}, {wanted[1]}{more})")
        layer.planned()
        return Change(
            f"{self.path} → {layer.text}",
            lambda model: put(model, self.path, layer.build()),
            Code((placing(before.model, self.path, layer.code().statements[0]),)),
            (f"`{layer.text}` brings {shape[1]:,} to {wanted[1]:,} channels, which is what follows `{self.path}`.",),
        )

    def _with_next(self, before: Structure, deleted: Change, call: Call) -> Change:
        layers: dict[str, Layer] = {}
        for following in _following(before, call):
            module = before.module(following.path)
            plain = type(module).__name__ in KNOWN and getattr(module, "groups", 1) == 1
            layer = Layer(written(module)).with_widths(call.inputs, following.outputs) if plain else None
            if layer is None:
                raise EditError(f"After `{self.path}` comes `{following.path}`, whose width cannot be chosen: try 1x1.")
            layer.planned()
            layers[following.path] = layer
        if not layers:
            raise EditError(f"No layer with weights takes what `{self.path}` returns, so there is none to adapt.")
        codes = {path: layer.code() for path, layer in layers.items()}
        assignments = [placing(before.model, path, code.statements[0]) for path, code in codes.items()]

        def apply(model: nn.Module) -> nn.Module:
            for path, layer in layers.items():
                model = put(model, path, layer.build())
            return deleted.apply(model)

        said = tuple(f"`{path}` is {layer.text} now; its weights are new." for path, layer in layers.items())
        return replace(
            deleted,
            summary=" · ".join([deleted.summary, *(f"{path} → {layer.text}" for path, layer in layers.items())]),
            apply=apply,
            code=replace(deleted.code, statements=(*assignments, *deleted.code.statements)),
            notes=(*deleted.notes, *said),
        )

    def _begun(self, before: Structure, deleted: Change, call: Call) -> Change:
        first = [shape for shape in before.example if shape == call.inputs]
        if len(before.example) != 1 or not first:
            raise EditError(f"`{self.path}` is not what takes the input, so the model cannot begin behind it.")
        example: tuple[Shape, ...] = (tuple(call.outputs),)
        note = f"The model begins with {text(call.outputs)} now, which is what came out of `{self.path}`."
        summary = f"{deleted.summary} · begins with {text(call.outputs)}"
        return replace(deleted, summary=summary, notes=(*deleted.notes, note), example=example)


def _stride(shape: Shape, wanted: Shape) -> int | None:
    """The stride with which a convolution of one pixel makes the positions of `wanted`; None where none does."""
    if len(shape) != len(wanted):
        return None
    for stride in range(1, 33):
        if all((size - 1) // stride + 1 == other for size, other in zip(shape[2:], wanted[2:], strict=True)):
            return stride
    return None


def _following(before: Structure, call: Call) -> list[Call]:
    """The calls of layers with weights that take what the call returned, be it through functions without any."""
    trace, modules = before.trace, dict(before.model.named_modules(remove_duplicate=False))
    reached, found = set(call.result), {}
    for op in trace.ops[call.ops.stop :]:
        if not reached & set(op.inputs):
            continue
        other = trace.calls[op.call] if op.call > 0 else None  # 0 is the model itself
        if other is None or next(modules[other.path].parameters(recurse=False), None) is None:
            reached.add(op.index)
            continue
        found[other.index] = other
        if len(other.outputs) > 1 and "norm" in type(modules[other.path]).__name__.lower():
            reached.add(op.index)
    return list(found.values())
