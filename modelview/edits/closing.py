"""What the script says last: of groups of parameters, under the names that later edits have left them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import nn

from modelview.meta import building
from modelview.script import Code

if TYPE_CHECKING:
    from modelview.edits.base import Change

Groups = Mapping[str, list[str]]
"""Names of parameters, by what the group is called."""


@dataclass(frozen=True)
class Closing:
    """Code that is written for the finished model.

    groups: as they are when the edit is made. code: what is written, of a model and the groups as they are there.
    """

    groups: Groups
    code: Callable[[nn.Module, Groups], Code]


def closed(make: Callable[[], nn.Module], changes: Iterable["Change"]) -> list[Code]:
    """The code of the changes in turn, that of closings last. make: gives the model before them, on meta."""
    changes = list(changes)
    if not any(change.closing for change in changes[:-1]):
        return [change.code for change in changes]
    model, codes = make(), []
    waiting: list[Closing] = []
    for change in changes:
        before = {_moved(name, change): parameter for name, parameter in model.named_parameters()}
        with building():
            model = change.apply(model)
        after = dict(model.named_parameters())
        waiting = [
            replace(closing, groups={k: _followed(names, change, before, after) for k, names in closing.groups.items()})
            for closing in waiting
        ]
        waiting += [change.closing] if change.closing else []
        codes += [] if change.closing else [change.code]
    return [*codes, *(closing.code(model, closing.groups) for closing in waiting)]


def _moved(name: str, change: "Change") -> str:
    """What is called `name` before the change, as it is called where the modules above it are now."""
    above = next(((old, new) for old, new in change.moved if name == old or name.startswith(f"{old}.")), None)
    return name if above is None or not above[1] else above[1] + name.removeprefix(above[0])


def _followed(
    names: Iterable[str], change: "Change", before: Mapping[str, nn.Parameter], after: Mapping[str, nn.Parameter]
) -> list[str]:
    """The group of `names` after an edit: its own parameters wherever they are, and new ones in their places.

    before: what there was, under the paths that the modules above it have now.

    A new parameter is in the place of the group if that had all there was below one of the modules above it.
    """
    group = {_moved(name, change) for name in names}
    ids, old = {id(before[name]) for name in group}, {id(parameter) for parameter in before.values()}

    def replaces(name: str) -> bool:
        parts = name.split(".")
        for path in (".".join(parts[:n]) for n in range(len(parts) + 1)):
            there = [other for other in before if not path or other == path or other.startswith(f"{path}.")]
            if there and group.issuperset(there):
                return True
        return False

    return [
        name
        for name, parameter in after.items()
        if id(parameter) in ids or (id(parameter) not in old and replaces(name))
    ]
