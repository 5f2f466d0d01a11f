"""The tutorials' backbone: all children but the last, in a Sequential."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.names import short
from modelview.script import Code
from modelview.structure import Structure, tensor_of
from modelview.trace.records import Call, Trace
from modelview.trace.run import trace_module
from modelview.trace.shapes import is_shape, text

_RESHAPING = {"flatten", "view", "reshape", "squeeze", "unsqueeze"}


@EDITS.register("first_children")
@dataclass(frozen=True)
class FirstChildren(Edit):
    """`nn.Sequential(*list(model.children())[:-drop])`: the model's children but the last `drop`, one after the other.

    It computes what the forward computes only where that calls its children in their order and nothing between
    them; where it does not, that is said, with both shapes. Truncate is always exact.
    """

    title: ClassVar[str] = "First children"

    drop: Annotated[int, Ask("Leave out", "How many of the last children.")] = 1

    def plan(self, before: Structure) -> Change:
        children = [name for name, _ in before.model.named_children()]
        if len(children) < 2:
            raise EditError("The model has no two children, so none can be left out. Truncate inside it instead.")
        if type(self.drop) is not int or not 0 < self.drop < len(children):
            raise EditError(
                f"The model has {len(children)} children ({', '.join(children[:8])}); leave out 1 to "
                f"{len(children) - 1}, not {short(repr(self.drop))}."
            )
        kept = children[: -self.drop]
        chain = nn.Sequential(*list(before.model.children())[: -self.drop]).eval()
        found = trace_module(chain, *before.source.taken(*map(tensor_of, before.example)))
        if found.failed is not None:
            raise EditError(
                "The children do not run one after the other, since the forward does more than call them: "
                f"{found.failed.sentence} Truncate at `{kept[-1]}` keeps the forward."
            )
        width = found.output[1] if is_shape(found.output) and len(found.output) > 1 else None

        def apply(model: nn.Module) -> nn.Module:
            made = nn.Sequential(*list(model.children())[: -self.drop])
            if width is not None:
                made.out_channels = width
            return made

        lines = [f"model = nn.Sequential(*list(model.children())[:-{self.drop}])"]
        lines += [f"model.out_channels = {width}"] if width is not None else []
        renamed = f"`{kept[0]}` is `0` now, and so on."
        return Change(
            f"{', '.join(kept) if len(kept) < 5 else f'{kept[0]} to {kept[-1]}'} · " + text(found.output),
            apply,
            Code(tuple(lines)),
            (renamed, *self._warning(before, kept, found)),
            heads=(),
            reclassed=True,
        )

    def _warning(self, before: Structure, kept: list[str], found: Trace) -> tuple[str, ...]:
        """What differs from the forward, if anything does."""
        last = before.calls(kept[-1])
        if not last or not _in_a_row(before.trace, kept):
            theirs = text(last[-1].outputs) if last else "nothing, since it is not called"
            return (
                f"This is not what the forward computes: it does more than call its children one after the other. "
                f"Here it returns {text(found.output)}; in the forward `{kept[-1]}` returns {theirs}. "
                f"Truncate at `{kept[-1]}` keeps the forward.",
            )
        lost, following = _between(before.trace, last[-1])
        if not lost or following is None:
            return ()
        return (
            f"This is not what the forward computes for `{following.path}`: it goes on with {', '.join(lost)}, which "
            f"is no child and is lost. Here the output is {text(found.output)}; `{following.path}` gets "
            f"{text(following.inputs)}. Truncate with pool and flatten gives that.",
        )


def _between(trace: Trace, last: Call) -> tuple[list[str], Call | None]:
    """What the forward does itself behind a call and before that of its next child, but for changes of shape."""
    following = next((call for call in trace.calls if call.parent == 0 and call.index > last.index), None)
    if following is None:
        return [], None
    ops = trace.ops[last.ops.stop : following.ops.start]
    return [op.name for op in ops if op.call in (-1, 0) and op.name not in _RESHAPING], following


def _in_a_row(trace: Trace, names: list[str]) -> bool:
    """Whether the forward calls just these children first, each once, each with what the one before it returned."""
    own: list[Call] = [call for call in trace.calls if call.parent == 0]
    if [call.path for call in own[: len(names)]] != names or any(call.path in names for call in own[len(names) :]):
        return False
    between = [op for op in trace.ops if op.call in (-1, 0) and op.name not in ("input", "output")]
    return not any(own[0].ops.start <= op.index < own[len(names) - 1].ops.stop for op in between) and not any(
        op.index < own[0].ops.start for op in between
    )
