"""Keep a model up to one of its modules."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.pooling import pooling
from modelview.errors import EditError
from modelview.fields import Ask, ModulePath
from modelview.layers import Layer
from modelview.names import short, unknown
from modelview.proof import Pair, Promise
from modelview.rewrite import plan_cut
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.records import Call
from modelview.trace.shapes import is_shape, text


@EDITS.register("truncate")
@dataclass(frozen=True)
class Truncate(Edit):
    """Return what the module at `path` returns, and drop whatever runs after it.

    pool: average over all positions. flatten: to (N, features). call: which call of a module that is
    called several times, from 0; -1 is the last, whose value a hook would hold in the end.
    style: "keep" leaves the original's own names in the state_dict.
    Raises EditError for a module that is never called.
    """

    title: ClassVar[str] = "Truncate"
    keeps: ClassVar = "values"

    path: Annotated[ModulePath, Ask("Last module", "The model ends with what this module returns.")]
    pool: Annotated[bool, Ask("Pool", "Average over all positions.")] = False
    flatten: Annotated[bool, Ask("Flatten", "To (N, features).")] = False
    style: Annotated[str, Ask(choices=("keep",))] = "keep"
    call: Annotated[int, Ask("Which call", "Of a module called several times, from 0; -1 is the last.", rare=True)] = -1

    def plan(self, before: Structure) -> Change:
        if self.style != "keep":
            raise unknown("style", self.style, ["keep"])
        before.module(self.path)
        calls = before.calls(self.path)
        chosen = self._chosen(before, calls)
        shape = chosen.outputs
        axis, width = None, None
        if is_shape(shape) and len(shape) > 1 and chosen.result:
            axis = channel_axis(before.trace, chosen.result[0])
            width = shape[axis]
        elif self.pool or self.flatten:
            raise EditError(
                f"`{self.path}` returns {text(shape)}, which cannot be pooled or flattened; leave both off."
            )
        tail = pooling(shape, axis, pool=self.pool, flatten=self.flatten) if axis is not None else ()
        cut = plan_cut(
            before.model,
            chosen.path,
            call=calls.index(chosen),
            n_calls=len(calls),
            tail=tail,
            out_channels=width,
        )
        return Change(
            self._summary(shape, width),
            cut.apply,
            cut.code,
            self._notes(len(calls), cut.traced),
            heads=(),
            reclassed=True,
            promise=Promise(
                ((chosen.path, calls.index(chosen)),), lambda _, caught, after: self._kept(caught, after, tail)
            ),
        )

    def _kept(self, caught: tuple[Any, ...], after: Any, tail: tuple[tuple[str, str], ...]) -> list[Pair]:
        value = caught[0]
        for _, layer in tail:
            value = Layer(layer).build()(value)
        return [(f"the output and `{self.path}` of the model before", value, after)]

    def _chosen(self, before: Structure, calls: list[Call]) -> Call:
        if before.trace.failed is not None:
            raise EditError(f"The model does not run, so it cannot be cut: {before.trace.failed.sentence}")
        if not calls:
            inner = [c.path for c in before.trace.calls if c.path.startswith(f"{self.path}.")]
            hint = f" Cut inside it, at `{inner[-1]}`." if inner else ""
            raise EditError(f"`{self.path}` is never called, so there is nothing to return.{hint}")
        if type(self.call) is not int:
            raise EditError(f"Which call is a whole number, -1 for the last; got {short(repr(self.call))}.")
        if not -len(calls) <= self.call < len(calls):
            often = "once" if len(calls) == 1 else f"{len(calls)} times"
            raise EditError(f"`{self.path}` is called {often}; there is no call {self.call}.")
        return calls[self.call]

    def _summary(self, shape: object, width: int | None) -> str:
        tail = " → pool" * self.pool + " → flatten" * self.flatten
        return f"up to {self.path}{tail}" + (f" · {width:,} channels" if width is not None else f" · {text(shape)}")

    def _notes(self, n_calls: int, traced: bool) -> tuple[str, ...]:
        notes = []
        if n_calls > 1:
            which = "last" if self.call in (-1, n_calls - 1) else f"{self.call + 1}."
            notes.append(f"`{self.path}` is called {n_calls} times; the model ends at the {which} call.")
        if not traced:
            notes.append("The forward cannot be traced, so it runs as before and is stopped at this module.")
        return tuple(notes)
