"""Layers under other names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from modelview.edits.base import EDITS, Change, Edit
from modelview.edits.naming import as_pairs
from modelview.edits.neighbours import moved_heads, place_of
from modelview.edits.renaming_children import Names, Step, plan_steps, steps_code
from modelview.edits.replace_layer import put
from modelview.errors import EditError
from modelview.fields import Ask
from modelview.names import is_name, short
from modelview.proof import SAME_OUTPUT
from modelview.structure import Structure


@EDITS.register("rename")
@dataclass(frozen=True)
class Rename(Edit):
    """Call modules otherwise, and so what the state_dict calls their tensors: pairs of a path and a new last name.

    Rows of a Sequential get their names in place. Elsewhere the forward of the module around is written anew with the
    names; where that cannot be, its own stays, and finds what it asks for by properties with the old names.
    A new name may be given with its whole path or alone.
    Raises UnknownName for a path that is not there, EditError for a name that is taken or cannot be one, and where
    others than the module around read it: rows of a ModuleList or ModuleDict.
    """

    title: ClassVar[str] = "Rename"
    keeps: ClassVar = "values"

    names: Annotated[tuple[tuple[str, str], ...], Ask("Names", "Old = new, with commas between: fc = classifier")]

    def __post_init__(self) -> None:
        pairs = ((old.removesuffix("."), new.removesuffix(".")) for old, new in as_pairs(self.names))
        object.__setattr__(self, "names", tuple(pairs))

    def plan(self, before: Structure) -> Change:
        if not self.names:
            raise EditError("Name what is to be called otherwise, such as fc = classifier.")
        new_names = {old: _new_name(before, old, new) for old, new in self.names}
        steps = plan_steps(before, self._by_parent(before, new_names))

        def apply(model: nn.Module) -> nn.Module:
            for step in steps:
                made = step.apply(model.get_submodule(step.parent))
                model = put(model, step.parent, made) if step.parent else made
            return model

        moved = dict(_moved(before.model, new_names))
        return Change(
            ", ".join(f"{old} → {moved[old]}" for old in new_names),
            apply,
            steps_code(before.model, steps),
            tuple(_notes(steps)),
            heads=None if before.heads is None else moved_heads(before, moved),
            moved=tuple(moved.items()),
            promise=SAME_OUTPUT,
        )

    def _by_parent(self, before: Structure, new_names: dict[str, str]) -> dict[str, Names]:
        """The old and new last names of children, by the path of the module around them, each module once."""
        paths: dict[int, str] = {}
        found: dict[str, Names] = {}
        for old, _ in self.names:
            parent, _, name = old.rpartition(".")
            path = paths.setdefault(id(before.model.get_submodule(parent)), parent)
            others = found.get(path, ())
            if name in dict(others):
                raise EditError("A module is renamed twice; give each one new name.")
            if new_names[old] in dict(others).values():
                raise EditError(f"`{_beside(old, new_names[old])}` would be there twice; choose another for `{old}`.")
            found[path] = (*others, (name, new_names[old]))
        return found


def _beside(path: str, name: str) -> str:
    """The path of what has that name where the module at `path` is."""
    return f"{path.rpartition('.')[0]}.{name}".lstrip(".")


def _new_name(before: Structure, old: str, new: str) -> str:
    """The new last name of the module at `old`."""
    place = place_of(before, old)
    name = new.removeprefix(f"{place.parent}.") if place.parent else new
    fine = is_name(name) and not name.startswith("__")
    if not (fine or (place.chain and name.isdigit())) or name == place.names[place.index]:
        raise EditError(f"A new name for `{old}` is another Python name, such as classifier; got {short(new)!r}.")
    if hasattr(before.model.get_submodule(place.parent), name):
        raise EditError(f"`{place.at(name)}` is there already; choose another name for `{old}`.")
    return name


def _moved(model: nn.Module, new_names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The path of each renamed module, under all names of the one around it, and the new path; the deepest first."""
    modules = dict(model.named_modules(remove_duplicate=False))
    renamed = {(id(modules[old.rpartition(".")[0]]), old.rpartition(".")[2]): new for old, new in new_names.items()}
    found: dict[str, str] = {}
    for path in filter(None, modules):
        parent, _, name = path.rpartition(".")
        last = renamed.get((id(modules[parent]), name), name)
        found[path] = f"{found[parent]}.{last}" if parent else last
    changed = (path for path in found if path.rpartition(".")[2] != found[path].rpartition(".")[2])
    yield from ((path, found[path]) for path in sorted(changed, key=lambda path: -path.count(".")))


def _notes(steps: Iterable[Step]) -> Iterator[str]:
    kept = {}
    for step in steps:
        if step.renaming is not None and step.renaming.rewired is None:
            kept[step.renaming.wiring.class_name] = [f"`{old}`" for old, _ in step.renaming.wiring.renamed]
    for name, olds in kept.items():
        yield (
            f"The forward that {name} inherits still says {' and '.join(olds)}, which it answers by "
            f"{'a property' if len(olds) == 1 else 'properties'}. A whole-model file cannot hold such a class."
        )
