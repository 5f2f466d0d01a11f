"""Layers under other names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.neighbours import Place, moved_heads, place_of
from modelview.edits.replace_layer import put
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.names import short
from modelview.proof import SAME_OUTPUT
from modelview.rewrite import Wiring, plan_rewiring
from modelview.script import Code, quoted, reference
from modelview.structure import Structure
from modelview.trace.shapes import is_shape


@EDITS.register("rename")
@dataclass(frozen=True)
class Rename(Edit):
    """Call modules otherwise, and so what the state_dict calls their tensors: pairs of a path and a new last name.

    Rows of Sequentials can be renamed anywhere; other modules where they are the model's own children, whose
    forward is written anew with the names. A new name may be given with its whole path or alone.
    Raises UnknownName for a path that is not there, EditError for a name that is taken or cannot be one.
    """

    title: ClassVar[str] = "Rename"
    keeps: ClassVar = "values"

    names: Annotated[tuple[tuple[str, str], ...], Ask("Names", "Old = new, with commas between: fc = classifier")]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(_pair(pair) for pair in _rows(self.names)))

    def plan(self, before: Structure) -> Change:
        if not self.names:
            raise EditError("Name what is to be called otherwise, such as fc = classifier.")
        places = {place_of(before, old): self._new(before, old, new) for old, new in self.names}
        if len(places) < len(self.names):
            raise EditError("A module is renamed twice; give each one new name.")
        rows = {place: new for place, new in places.items() if place.chain}
        children = {place.path: new for place, new in places.items() if not place.chain}
        if deep := [path for path in children if "." in path]:
            raise EditError(
                f"`{deep[0]}` is neither a row of a Sequential nor a child of the model itself, so its name stands in "
                "a forward inside. To load a file with other names, use the renaming of Load weights."
            )
        moved = {place.path: place.at(new) for place, new in places.items()}
        rewired = plan_rewiring(before.model, self._wiring(before, children)) if children else None
        if rewired is not None and not rewired.traced:
            raise EditError("The forward of this model cannot be written anew, so its own children keep their names.")

        def apply(model: nn.Module) -> nn.Module:
            for place, new in rows.items():
                model = _renumbered(model, place, new)
            return rewired.apply(model) if rewired is not None else model

        lines = tuple(line for place, new in rows.items() for line in _lines(before, place, new))
        code = Code(lines, imports=("from collections import OrderedDict",) * bool(rows))
        if rewired is not None:
            own = rewired.code
            code = Code((*lines, *own.statements), own.definitions, (*code.imports, *own.imports))
        summary = ", ".join(f"{old} → {new}" for old, new in moved.items())
        return Change(summary, apply, code, heads=moved_heads(before, moved), promise=SAME_OUTPUT)

    def _new(self, before: Structure, old: str, new: str) -> str:
        """The new last name of the module at `old`."""
        parent = old.rpartition(".")[0]
        name = new.removeprefix(f"{parent}.") if parent else new
        place = place_of(before, old)
        fine = name.isidentifier() or (place.chain and name.isdigit())
        if not fine or name == place.names[place.index]:
            raise EditError(f"A new name for `{old}` is another Python name, such as classifier; got {short(new)!r}.")
        holder = before.model.get_submodule(parent)
        if hasattr(holder, name):
            raise EditError(f"`{place.at(name)}` is there already; choose another name for `{old}`.")
        return name

    def _wiring(self, before: Structure, children: dict[str, str]) -> Wiring:
        kind = type(before.model).__name__
        said = ", ".join(f"`{old}` is `{new}`" for old, new in children.items())
        return Wiring(
            f"Renamed{kind}",
            f"{kind} where {said}.",
            renamed=tuple(children.items()),
            returns="Tensor" if is_shape(before.trace.output) else "Any",
        )


def _rows(pairs: Any) -> Iterable[Any]:
    if isinstance(pairs, dict):
        return pairs.items()
    return pairs if isinstance(pairs, Iterable) and not isinstance(pairs, str) else ((pairs,),)


def _pair(pair: Any) -> tuple[str, str]:
    if not (isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)):
        raise EditError(
            f'New names are pairs of an old and a new one, such as ("fc", "classifier"); got {short(repr(pair))}.'
        )
    return pair[0].removesuffix("."), pair[1].removesuffix(".")


def _renumbered(model: nn.Module, place: Place, name: str) -> nn.Module:
    """The model with one row of a Sequential called `name`, in its old place."""
    old = model.get_submodule(place.parent)
    new = nn.Sequential()
    for row, child in old.named_children():
        new.add_module(name if row == place.names[place.index] else row, child)
    new.training = old.training
    return put(model, place.parent, new) if place.parent else new


def _lines(before: Structure, place: Place, name: str) -> list[str]:
    here = reference(before.model, place.parent)
    return [
        f"rows = list({here}.named_children())",
        f"rows[{place.index}] = ({quoted(name)}, rows[{place.index}][1])",
        f"{here} = nn.Sequential(OrderedDict(rows))",
    ]
