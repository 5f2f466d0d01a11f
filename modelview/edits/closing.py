"""What the script says last: of groups of parameters, under the names that later edits have left them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from torch import nn

from modelview.edits.base import Change, Closing
from modelview.meta import building
from modelview.script import Code
from modelview.structure import Moves, path_after

Parameters = Mapping[str, nn.Parameter]


def closed(make: Callable[[], nn.Module], changes: Iterable[Change]) -> list[Code]:
    """The code of the changes in turn, that of closings last. make: gives the model before them, on meta."""
    changes = list(changes)
    if not any(change.closing for change in changes[:-1]):
        return [change.code for change in changes]
    model, codes = make(), []
    waiting: list[Closing] = []
    for change in changes:
        before = dict(model.named_parameters())
        with building():
            model = change.apply(model)
        after = dict(model.named_parameters())
        waiting = [
            replace(closing, groups={k: _followed(g, change.moved, before, after) for k, g in closing.groups.items()})
            for closing in waiting
        ]
        waiting += [change.closing] if change.closing else []
        codes += [] if change.closing else [change.code]
    return [*codes, *(closing.code(model, closing.groups) for closing in waiting)]


def _followed(group: Iterable[str], moves: Moves, before: Parameters, after: Parameters) -> list[str]:
    """The group after an edit: its own parameters wherever they are, and new ones in their places.

    A new parameter is in the place of the group if that had all there was below one of the modules above it.
    """
    own, old = {id(before[name]) for name in group}, {id(parameter) for parameter in before.values()}
    places = {now: id(parameter) in own for name, parameter in before.items() if (now := path_after(name, moves))}

    def replaces(name: str) -> bool:
        parts = name.split(".")
        for path in (".".join(parts[:n]) for n in range(len(parts) + 1)):
            there = [is_own for place, is_own in places.items() if not path or f"{place}.".startswith(f"{path}.")]
            if there and all(there):
                return True
        return False

    return [n for n, parameter in after.items() if id(parameter) in own or (id(parameter) not in old and replaces(n))]
