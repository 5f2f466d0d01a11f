"""Layers beside layers: what stands around a module, and a Sequential with other rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from modelview.edits.replace_layer import placing, put
from modelview.edits.tapping import called
from modelview.errors import EditError
from modelview.heads import head_paths
from modelview.layers import Layer
from modelview.script import Code, quoted, reference
from modelview.structure import Structure, path_after
from modelview.trace.shapes import is_shape, text

Row = TypeVar("Row")
_IMPORT = "from collections import OrderedDict"


@dataclass(frozen=True)
class Place:
    """A module's place: row `index` of the children of the one at `parent`, which has the names `names`.

    chain: whether the parent is a plain Sequential that is called as a whole, so that it can have other rows.
    """

    path: str
    parent: str
    names: tuple[str, ...]
    index: int
    chain: bool

    @property
    def numbered(self) -> bool:
        """Whether the rows are called by their numbers."""
        return list(self.names) == [str(number) for number in range(len(self.names))]

    def at(self, name: str) -> str:
        """The path of a child of the parent."""
        return f"{self.parent}.{name}" if self.parent else name


def place_of(before: Structure, path: str) -> Place:
    """Where the module at `path` stands. Raises UnknownName, EditError for the whole model."""
    before.module(path)
    parent, _, name = path.rpartition(".")
    holder = before.model.get_submodule(parent)
    names = tuple(holder._modules)
    hooked = bool(holder._forward_hooks or holder._forward_pre_hooks)
    whole = not parent or bool(before.calls(parent))  # a forward written anew may call the rows by their names
    return Place(path, parent, names, names.index(name), type(holder) is nn.Sequential and whole and not hooked)


def single(before: Structure, path: str, *, output: bool) -> tuple[int, ...]:
    """The shape of the one tensor that comes out of the module at `path`, or goes in. Raises EditError."""
    calls = called(before, path)
    shape = calls[0].outputs if output else calls[0].inputs
    if not is_shape(shape):
        raise EditError(f"`{path}` takes {text(shape)}; this needs a module that takes one tensor.")
    return tuple(shape)


def fitted(layer: Layer, shape: object) -> Layer:
    """The layer, with the widths that it left open taken from a tensor of `shape`, which it is to keep.

    >>> fitted(Layer("BatchNorm2d()"), (1, 64, 56, 56)), fitted(Layer("ReLU()"), (1, 64, 56, 56))
    (Layer(text='BatchNorm2d(64)'), Layer(text='ReLU()'))
    >>> fitted(Layer("GroupNorm(8)"), (1, 64, 56, 56)), fitted(Layer("LayerNorm()"), (1, 197, 768))
    (Layer(text='GroupNorm(8, 64)'), Layer(text='LayerNorm(768)'))
    """
    try:
        layer.planned()
    except EditError:
        widened = layer.with_widths(shape, shape) if layer.leaves_widths_open else None
        if widened is None:
            raise
        widened.planned()
        return widened
    return layer


@dataclass(frozen=True)
class Rows:
    """Changes of the rows of the Sequential around a place, made one after the other.

    inserted: (index, name, layer). deleted: indices, after that. renumber: rows are called by their numbers then.
    """

    place: Place
    inserted: tuple[tuple[int, str, Layer], ...] = ()
    deleted: tuple[int, ...] = ()
    renumber: bool = True

    def changed(self, rows: Iterable[tuple[str, Row]], made: Iterable[Row]) -> list[tuple[str, Row]]:
        """The rows as they are then; `made` are those inserted."""
        found = list(rows)
        for (index, name, _), row in zip(self.inserted, made, strict=True):
            found.insert(index, (name, row))
        for index in self.deleted:
            del found[index]
        return [(str(number), row) for number, (_, row) in enumerate(found)] if self.renumber else found

    def apply(self, model: nn.Module) -> nn.Module:
        """The model with the rows changed: in place where they are numbered, else in a Sequential made anew."""
        old = model.get_submodule(self.place.parent)
        made = [layer.build() for _, _, layer in self.inserted]
        if self.renumber and isinstance(old, nn.Sequential):
            for (index, _, _), row in zip(self.inserted, made, strict=True):
                old.insert(index, row)
            for index in self.deleted:
                del old[index]
            return model
        new = nn.Sequential()
        for name, child in self.changed(old.named_children(), made):
            new.add_module(name, child)
        new.training = old.training
        return put(model, self.place.parent, new) if self.place.parent else new

    def code(self, model: nn.Module) -> Code:
        """Statements that do the same: in place where the rows are numbered, else by a list of them."""
        here = reference(model, self.place.parent)
        imports = tuple(line for _, _, layer in self.inserted for line in layer.code().imports)
        calls = [(index, name, layer.code().statements[0]) for index, name, layer in self.inserted]
        if self.renumber:
            lines = [f"{here}.insert({index}, {call})" for index, _, call in calls]
            return Code((*lines, *(f"del {here}[{index}]" for index in self.deleted)), imports=imports)
        lines = [f"rows = list({here}.named_children())"]
        lines += [f"rows.insert({index}, ({quoted(name)}, {call}))" for index, name, call in calls]
        lines += [f"del rows[{index}]" for index in self.deleted]
        return Code((*lines, f"{here} = nn.Sequential(OrderedDict(rows))"), imports=(*imports, _IMPORT))

    @property
    def moved(self) -> dict[str, str]:
        """The new path of each child whose path is another one then, by the old; "" for one that is gone."""
        rows = self.changed(((name, name) for name in self.place.names), [""] * len(self.inserted))
        after = {old: new for new, old in rows}
        changes = {name: after.get(name, "") for name in self.place.names if after.get(name) != name}
        return {self.place.at(old): new and self.place.at(new) for old, new in changes.items()}


def chained(path: str, rows: tuple[tuple[str, Layer | None], ...], model: nn.Module, *, named: bool) -> nn.Module:
    """`model` with a Sequential in the place of the module at `path`, which is its row without a layer."""
    old = model.get_submodule(path)
    chain = nn.Sequential()
    for number, (name, layer) in enumerate(rows):
        chain.add_module(name if named else str(number), layer.build() if layer else old)
    return put(model, path, chain)


def chained_code(path: str, rows: tuple[tuple[str, Layer | None], ...], model: nn.Module, *, named: bool) -> Code:
    """The statement that does the same."""
    values = [(name, layer.code().statements[0] if layer else reference(model, path)) for name, layer in rows]
    imports = tuple(line for _, layer in rows if layer for line in layer.code().imports)
    if not named:
        return Code((placing(model, path, f"nn.Sequential({', '.join(v for _, v in values)})"),), imports=imports)
    lines = [f"    ({quoted(name)}, {value})," for name, value in values]
    expression = "\n".join(["nn.Sequential(OrderedDict([", *lines, "]))"])
    return Code((placing(model, path, expression),), imports=(*imports, _IMPORT))


def below(before: Structure, name: str) -> tuple[tuple[str, str], ...]:
    """Where the children of the model go when a new module holds it as `name`: pairs of a path and a new one."""
    return tuple((child, f"{name}.{child}") for child, _ in before.model.named_children())


def heads_below(before: Structure, name: str) -> tuple[str, ...] | None:
    """The heads there; None where they are the source's own, whose paths follow `moved`."""
    return None if _of_the_source(before) else tuple(f"{name}.{path}" for path in head_paths(before))


def heads_after(before: Structure, moved: dict[str, str]) -> tuple[str, ...] | None:
    """The heads when modules have moved to other paths, "" being nowhere; None likewise, but () where none is left."""
    heads = moved_heads(before, moved)
    return None if heads and _of_the_source(before) else heads


def _of_the_source(before: Structure) -> bool:
    return before.heads is None and not before.source.heads_by_output


def moved_heads(before: Structure, moved: dict[str, str]) -> tuple[str, ...] | None:
    """The heads when modules have moved to other paths, "" being nowhere; None where that touches none."""
    heads = head_paths(before)
    found = tuple(filter(None, (path_after(head, tuple(moved.items())) for head in heads)))
    return found if found != heads else None
