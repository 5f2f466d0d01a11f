"""The model as a child of another, so that its names begin with that."""

import inspect
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.neighbours import below, heads_below
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.names import short
from modelview.proof import SAME_OUTPUT
from modelview.rewrite import Wiring, camel, plan_rewiring
from modelview.script import Code, quoted
from modelview.structure import Structure
from modelview.trace.shapes import is_shape

MOST_NAMES = 8


@EDITS.register("prefix")
@dataclass(frozen=True)
class Prefix(Edit):
    """Let every name in the state_dict begin with `text`, such as "module." as DataParallel and DDP save it.

    The model becomes the child of that name of a module that does nothing else; "a.b." makes two of them.
    Raises EditError for text that is no names with dots between.
    """

    title: ClassVar[str] = "Prefix"
    keeps: ClassVar = "values"

    text: Annotated[str, Ask("Prefix", "module. is what DataParallel and DDP put before every name.")]

    @classmethod
    def starts(cls, before: Structure) -> dict[str, Edit]:
        return {text: cls(text) for text in ("module.", "backbone.", "encoder.")}

    def plan(self, before: Structure) -> Change:
        names = self.text.removesuffix(".").split(".")
        if not all(name.isidentifier() for name in names) or len(names) > MOST_NAMES:
            raise EditError(
                f"A prefix is up to {MOST_NAMES} names with dots between, such as module. or net.encoder.; "
                f"got {short(self.text)!r}."
            )
        taken = inspect.signature(before.model.forward).parameters
        if len(taken) == 1:
            return self._chained(before, names)
        if len(names) > 1:
            raise EditError(
                f"This model's `forward` takes more than one value ({', '.join(taken)}), so it is put below one name "
                "at a time."
            )
        return self._held(before, names[0])

    def _chained(self, before: Structure, names: list[str]) -> Change:
        def apply(model: nn.Module) -> nn.Module:
            for name in reversed(names):
                held = nn.Sequential()
                held.add_module(name, model)
                model = held
            return model

        lines = [f"model = nn.Sequential(OrderedDict([({quoted(name)}, model)]))" for name in reversed(names)]
        code = Code(tuple(lines), imports=("from collections import OrderedDict",))
        held = ".".join(names)
        heads, moved = heads_below(before, held), below(before, held)
        return Change(self._summary, apply, code, heads=heads, moved=moved, promise=SAME_OUTPUT)

    def _held(self, before: Structure, name: str) -> Change:
        kind = type(before.model).__name__
        wiring = Wiring(
            f"{kind}As{camel(name)}",
            f"{kind} as `{name}`.",
            wrapped=name,
            returns="Tensor" if is_shape(before.trace.output) else "Any",
        )
        rewired = plan_rewiring(before.model, wiring)
        heads, moved = heads_below(before, name), below(before, name)
        return Change(self._summary, rewired.apply, rewired.code, heads=heads, moved=moved, promise=SAME_OUTPUT)

    @property
    def _summary(self) -> str:
        return f"every name begins with {self.text.removesuffix('.')}."
