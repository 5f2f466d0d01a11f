"""Named layers, as the edits that add them take them."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.fields import ModulePath
from modelview.layers import Layer
from modelview.names import is_name, short

NamedLayers = tuple[tuple[str, Layer], ...]
"""Layers with the names of their attributes, in the order in which they run."""

USED = frozenset(
    {"Any", "Callable", "F", "OrderedDict", "Tensor", "defaultdict", "math", "nn", "ops", "super", "torch"}
    | {"args", "handle", "handles", "hook", "keep", "kwargs", "module", "output", "self", "values", "x"}
)
"""Names that mean something else in the code that is written."""


def as_layers(rows: Any) -> NamedLayers:
    """The rows with their texts as layers. Raises EditError where a row is not a name and a layer."""
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes):
        raise _no_rows(rows)
    rows = tuple(rows)
    for row in rows:
        if not (isinstance(row, tuple | list) and len(row) == 2 and isinstance(row[1], Layer | str)):
            raise _no_rows(row)
    return tuple((name, layer if isinstance(layer, Layer) else Layer(layer)) for name, layer in rows)


def _no_rows(given: object) -> EditError:
    return EditError(
        f'Layers are rows of a name and a layer, such as ("fc", "Linear(1000, 10)"); got {short(repr(given))}.'
    )


def several(values: Any, what: str) -> tuple[Any, ...]:
    """The values as a tuple. Raises EditError for what cannot be gone through."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise EditError(f"This takes {what}; got {short(repr(values))}.")
    return tuple(values)


def as_pairs(pairs: Any) -> tuple[tuple[str, str], ...]:
    """Pairs of an old and a new name, also given as a dict or as one pair. Raises EditError for anything else."""
    rows = pairs.items() if isinstance(pairs, dict) else pairs
    if not isinstance(rows, Iterable) or isinstance(rows, str):
        rows = (rows,)
    rows = tuple(rows)
    for row in rows:
        if not (isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(side, str) for side in row)):
            raise EditError(
                f'New names are pairs of an old and a new one, such as ("fc", "classifier"); got {short(repr(row))}.'
            )
    return tuple((old, new) for old, new in rows)


def as_layer(value: object) -> Layer:
    """A layer, given as one or as its text. Raises EditError for anything else."""
    if isinstance(value, Layer):
        return value
    if not isinstance(value, str):
        raise EditError(f"A layer is given as text, such as Conv2d(3, 64, 7, stride=2); got {short(repr(value))}.")
    return Layer(value)


def as_paths(paths: Any) -> tuple[ModulePath, ...]:
    """One path or several, as a tuple."""
    return (ModulePath(paths),) if isinstance(paths, str) else several(paths, "paths of modules, such as layer1")


def require_names(names: Iterable[str]) -> None:
    """Raises EditError for names that cannot be attributes, or stand twice."""
    names = list(names)
    for name in names:
        if not is_name(name):
            raise EditError(f"A layer's name is a Python name, such as fc1; got {name!r}.")
        if hasattr(nn.Sequential(), name):
            raise EditError(
                f"No layer can be called {name!r}: modules have that for something else. Name it otherwise."
            )
    if twice := [name for name in names if names.count(name) > 1]:
        raise EditError(f"Two layers are called {twice[0]!r}; give each its own name.")


def require_variables(names: Iterable[str]) -> None:
    """Raises EditError for names that cannot be arguments in the code that is written."""
    for name in names:
        if not is_name(name):
            raise EditError(f"An argument's name is a Python name, such as add_variable; got {name!r}.")
        if name in USED:
            raise EditError(f"{name!r} means something else in the code that is written; choose another name.")
