"""The model as a change leaves it, before anything is applied."""

from copy import deepcopy

from modelview.edits.base import Change
from modelview.meta import building, to_meta
from modelview.structure import Structure


def changed(before: Structure, change: Change) -> Structure:
    """The model with the change, on meta."""
    with building():
        model = to_meta(change.apply(deepcopy(before.model))).eval()
    example = before.example if change.example is None else change.example
    heads = before.heads if change.heads is None else change.heads
    return Structure(model, before.source, heads, example, moved=(*before.moved, change.moved))
