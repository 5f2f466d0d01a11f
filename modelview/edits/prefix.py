"""The model as a child of another, so that its names begin with that."""

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.neighbours import below, heads_below
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.names import short
from modelview.proof import SAME_OUTPUT
from modelview.rewrite import Rewired, Wiring, camel, plan_rewiring
from modelview.script import Code, quoted, together
from modelview.structure import Structure

MOST_NAMES = 8

Apply = Callable[[nn.Module], nn.Module]


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
        takes_one = len(inspect.signature(before.model.forward).parameters) == 1
        apply, code = _chained(names) if takes_one else _held(before.model, names)
        held = ".".join(names)
        heads, moved = heads_below(before, held), below(before, held)
        return Change(self._summary, apply, code, heads=heads, moved=moved, promise=SAME_OUTPUT)

    @property
    def _summary(self) -> str:
        return f"every name begins with {self.text.removesuffix('.')}."


def _chained(names: list[str]) -> tuple[Apply, Code]:
    """The model as the only row of a Sequential for each name."""

    def apply(model: nn.Module) -> nn.Module:
        for name in reversed(names):
            held = nn.Sequential()
            held.add_module(name, model)
            model = held
        return model

    lines = [f"model = nn.Sequential(OrderedDict([({quoted(name)}, model)]))" for name in reversed(names)]
    return apply, Code(tuple(lines), imports=("from collections import OrderedDict",))


def _held(model: nn.Module, names: list[str]) -> tuple[Apply, Code]:
    """The model in a module for each name that passes on all that it takes, which a Sequential cannot."""
    planned: list[Rewired] = []
    for name in reversed(names):
        kind = type(model).__name__
        wiring = Wiring(f"{kind}As{camel(name)}", f"{kind} as `{name}`.", wrapped=name, returns="Any")
        planned.append(plan_rewiring(model, wiring))
        model = planned[-1].apply(deepcopy(model))

    def apply(model: nn.Module) -> nn.Module:
        for rewired in planned:
            model = rewired.apply(model)
        return model

    return apply, together(rewired.code for rewired in planned)
