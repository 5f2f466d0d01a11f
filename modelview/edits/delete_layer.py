"""A layer taken out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.bridging import bridge
from modelview.edits.changed import changed
from modelview.edits.fitting import fitted_behind
from modelview.edits.neighbours import Place, Rows, heads_after, moved_heads, place_of
from modelview.edits.replace_layer import placing, put
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.heads import head_paths
from modelview.names import unknown
from modelview.script import Code, quoted, reference
from modelview.sources.base import Shape
from modelview.structure import Structure
from modelview.trace.records import Call, Tree
from modelview.trace.shapes import is_shape, text

WAYS = ("", "next", "1x1", "input")
MOST_SAID = 4
"""So many layers that were made anew are told one by one."""


@EDITS.register("delete_layer")
@dataclass(frozen=True)
class DeleteLayer(Edit):
    """Take the module at `path` out: its row where it stands in a Sequential, or in a block that calls all that it
    holds in turn, as DenseNet's do; else an Identity takes its place.

    renumber: later rows of a Sequential of numbers move up, as `del` does; off, they keep their names.
    adapt: what is done where its neighbours no longer fit: "next" gives each layer behind it the width that comes, new
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
        before.module(self.path)
        if not self._is_entry(before):
            self._require_one_kind(before)
        if self.adapt == "1x1":
            return self._substituted(before, self._only_call(before))
        deleted = self._deleted(before)
        if self.adapt == "next":
            entry = before.calls(self.path)[0] if self._is_entry(before) else None
            return self._with_next(before, deleted, entry or self._only_call(before))
        if self.adapt == "input":
            return self._begun(before, deleted, self._only_call(before))
        return deleted

    def _require_one_kind(self, before: Structure) -> None:
        """Raises EditError for what takes several values and returns something of another kind."""
        for call in before.calls(self.path):
            if not is_shape(call.inputs) and _kind(call.inputs) is not _kind(call.outputs):
                raise EditError(
                    f"`{self.path}` (Identity) takes one tensor, but gets {text(call.inputs)}: what makes "
                    f"{text(call.outputs)} of that cannot be left out. Instead {self._remedy(before)}."
                )

    def _is_entry(self, before: Structure) -> bool:
        """Whether it is one of those that a ModuleDict calls in turn with all that was made before, as in DenseNet."""
        parent = self.path.rpartition(".")[0]
        calls = before.calls(self.path)
        if not parent or not before.calls(parent) or len(calls) != 1 or is_shape(calls[0].inputs):
            return False
        holder = before.module(parent)
        return isinstance(holder, nn.ModuleDict) and len(holder) > 1

    def _entry(self, before: Structure) -> Change:
        parent, _, name = self.path.rpartition(".")

        def apply(model: nn.Module) -> nn.Module:
            holder: Any = model.get_submodule(parent)
            del holder[name]
            return model

        line = f"del {reference(before.model, parent)}[{quoted(name)}]"
        note = f"`{parent}` calls what it holds in turn, so what comes after `{name}` gets less."
        return self._without(before, {self.path: ""}, Change("", apply, Code((line,)), (note,)))

    def _deleted(self, before: Structure) -> Change:
        if self._is_entry(before):
            return self._entry(before)
        place = place_of(before, self.path)
        return self._row(before, place) if place.chain and len(place.names) > 1 else self._identity(before)

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

    def _only_call(self, before: Structure) -> Call:
        if (call := self._single_call(before)) is None:
            raise EditError(
                f"`{self.path}` is not called once with one tensor, so nothing can be fitted to it. "
                f"Instead {self._remedy(before)}."
            )
        return call

    def _single_call(self, before: Structure) -> Call | None:
        calls = before.calls(self.path)
        return calls[0] if len(calls) == 1 and is_shape(calls[0].inputs) and is_shape(calls[0].outputs) else None

    def _substituted(self, before: Structure, call: Call) -> Change:
        found = bridge(before, call)
        if found is None:
            raise EditError(
                f"`{self.path}` makes {text(call.outputs)} of {text(call.inputs)}, which no layer of one pixel does. "
                "Replace it instead."
            )
        layer = found.layer
        layer.planned()
        heads = [head for head in head_paths(before) if head == self.path or head.startswith(f"{self.path}.")]
        return Change(
            f"{self.path} → {layer.text}",
            lambda model: put(model, self.path, layer.build()),
            Code((placing(before.model, self.path, layer.code().statements[0]),)),
            (found.note,),
            heads=moved_heads(before, dict.fromkeys(heads, self.path)),
            reclassed=bool(heads),
        )

    def _with_next(self, before: Structure, deleted: Change, call: Call) -> Change:
        after, layers = fitted_behind(before, deleted)
        if after.trace.failed is not None:
            raise self._unfitted(before, after, call)
        if not layers:
            return self._fitting_already(before, deleted, call)
        codes = {path: layer.code() for path, layer in layers.items()}
        assignments = [placing(after.model, path, code.statements[0]) for path, code in codes.items()]
        imports = tuple(line for code in codes.values() for line in code.imports)

        def apply(model: nn.Module) -> nn.Module:
            model = deleted.apply(model)
            for path, layer in layers.items():
                model = put(model, path, layer.build())
            return model

        said = tuple(f"`{path}` is {layer.text} now; its weights are new." for path, layer in layers.items())
        more = len(layers) - MOST_SAID
        if more > 1:
            said = (*said[:MOST_SAID], f"{more:,} more layers behind it take another width, with new weights.")
        shown = [f"{path} → {layer.text}" for path, layer in layers.items()]
        shown[MOST_SAID:] = [f"{more:,} more"] if more > 1 else shown[MOST_SAID:]
        return replace(
            deleted,
            summary=" · ".join([deleted.summary, *shown]),
            apply=apply,
            code=replace(
                deleted.code,
                statements=(*deleted.code.statements, *assignments),
                imports=(*deleted.code.imports, *imports),
            ),
            notes=(*deleted.notes, *said),
            reclassed=deleted.reclassed or not layers.keys().isdisjoint(head_paths(after)),
        )

    def _fitting_already(self, before: Structure, deleted: Change, call: Call) -> Change:
        """The deletion alone, where what follows takes what comes. Raises EditError where nothing follows."""
        later = (before.module(other.path) for other in before.trace.calls if other.ops.start >= call.ops.stop)
        if not any(next(module.parameters(), None) is not None for module in later):
            raise EditError(
                f"No layer with weights takes what `{self.path}` returns, so there is none to adapt: "
                "delete it without adapting."
            )
        return replace(deleted, notes=(*deleted.notes, f"What follows `{self.path}` fits as it is."))

    def _unfitted(self, before: Structure, after: Structure, call: Call) -> EditError:
        """The error for a pass that ended where no layer could be given another width."""
        failed = after.trace.failed
        assert failed is not None
        other = f"replace it by a layer that makes {text(call.outputs)} of {text(call.inputs)}"
        remedy = self._remedy(before, other)
        module = after.module(failed.path) if failed.path else after.model
        if next(module.children(), None) is None and next(module.parameters(), None) is not None:
            return EditError(f"{failed.sentence} Or {remedy}.")
        where = f"`{failed.path}`" if failed.path else f"what {failed.kind} computes by itself"
        return EditError(f"After `{self.path}` comes {where}, whose width cannot be chosen: {remedy}.")

    def _remedy(self, before: Structure, otherwise: str = "choose another module") -> str:
        """Another way that was tried and works, in words."""
        for words, planned in self._ways(before):
            try:
                change = planned()
            except EditError:
                continue
            if changed(before, change).trace.failed is None:
                return words
        return otherwise

    def _ways(self, before: Structure) -> Iterator[tuple[str, Callable[[], Change]]]:
        """What may be done instead, and what it comes to."""
        if self._is_entry(before) and self.adapt != "next":
            yield "try next", lambda: self._with_next(before, self._deleted(before), before.calls(self.path)[0])
        if call := self._single_call(before):
            yield "try 1x1", partial(self._substituted, before, call)
            yield "try input", lambda: self._begun(before, self._deleted(before), call)
        elif self.adapt:
            yield "delete it without adapting", partial(self._deleted, before)
        if parent := self.path.rpartition(".")[0]:
            yield f"delete what holds it, `{parent}`", partial(DeleteLayer(ModulePath(parent))._deleted, before)

    def _begun(self, before: Structure, deleted: Change, call: Call) -> Change:
        first = [shape for shape in before.example if shape == call.inputs]
        if len(before.example) != 1 or not first:
            raise EditError(f"`{self.path}` is not what takes the input, so the model cannot begin behind it.")
        example: tuple[Shape, ...] = (tuple(call.outputs),)
        note = f"The model begins with {text(call.outputs)} now, which is what came out of `{self.path}`."
        summary = f"{deleted.summary} · begins with {text(call.outputs)}"
        return replace(deleted, summary=summary, notes=(*deleted.notes, note), example=example)


def _kind(shapes: Tree) -> type | None:
    """What a value is: int where it is one tensor, else tuple or dict; None for what is no tensor."""
    return int if is_shape(shapes) else None if shapes is None else type(shapes)
