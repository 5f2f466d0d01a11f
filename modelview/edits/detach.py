"""Cut the gradient."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.tapping import called
from modelview.fields import Ask, ModulePath
from modelview.proof import SAME_OUTPUT
from modelview.rewrite import Hand, Turn, Wiring, camel, plan_rewiring
from modelview.structure import Structure
from modelview.trace.shapes import is_shape


@EDITS.register("detach")
@dataclass(frozen=True)
class Detach(Edit):
    """Cut the gradient after the module at `path`: what only leads to its output gets none.

    The values stay as they are; of a dict, list or tuple every tensor is cut off. Raises EditError for a module that is
    never called or returns no tensor.
    """

    title: ClassVar[str] = "Detach"
    keeps: ClassVar = "values"

    path: Annotated[ModulePath, Ask("After", "No gradient passes from behind this module to what is before it.")]

    def plan(self, before: Structure) -> Change:
        calls = called(before, self.path, several=True)
        collection = calls[-1].collection
        turn = Turn(self.path, partial(_detached, collection), len(calls), several=collection is not None)
        name = f"{type(before.model).__name__}DetachedAt{camel(self.path)}"
        wiring = Wiring(
            name,
            f"{type(before.model).__name__} whose gradient ends after `{self.path}`.",
            turns=(turn,),
            returns="Tensor" if is_shape(before.trace.output) else "Any",
        )
        rewired = plan_rewiring(before.model, wiring)
        notes = (
            f"`detach()` leaves the value of `{self.path}` with its gradient for whoever holds it; `detach_()` would "
            "take it out of the graph for everybody, so that what is before it could not be trained by any way.",
        )
        return Change(f"no gradient before {self.path}", rewired.apply, rewired.code, notes, promise=SAME_OUTPUT)


def _detached(collection: Any, hand: Hand, value: Any) -> Any:
    return hand.each(lambda tensor: hand.method("detach", tensor), value, collection)
