"""What one forward pass leaves behind, as plain values.

Ops, calls and edges come by the thousand: they are named tuples, made three times as fast as frozen dataclasses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import nn

Shape = tuple[int, ...]
Tree = Any
"""A shape (N, ...), or a tuple or dict of trees, as the values themselves nest; None for what is no tensor."""


class Op(NamedTuple):
    """One function call that made or changed a tensor; "input" and "output" stand for the ends."""

    index: int  # type: ignore[assignment]  # it hides the method of tuples
    name: str
    call: int
    """Index of the innermost module call it ran in; -1 outside of all."""
    path: str
    inputs: tuple[int, ...]
    """Indices of the ops whose results it took, each once."""
    shapes: tuple[Shape, ...]
    """Shapes of its results."""
    macs: int = 0
    detail: tuple[int, ...] = ()
    """Integer arguments that move axes: the dims of permute and transpose."""


class Call(NamedTuple):
    """One call of a module: what went in and came out."""

    index: int  # type: ignore[assignment]  # likewise
    path: str
    parent: int
    """Index of the call it was made from; -1 for the root's."""
    inputs: Tree
    outputs: Tree
    ops: range
    """The ops that ran in it, those of inner calls included."""
    result: tuple[int, ...] = ()
    """Indices of the ops whose results it returned."""
    output_bytes: int = 0
    collection: Any = None
    """What it returned where that is no tensor: the dicts, lists and tuples themselves, a torch.Size for a tensor."""


class Edge(NamedTuple):
    """A tensor that went from one op to another."""

    source: int
    target: int
    shape: Shape


@dataclass(frozen=True)
class Totals:
    """Sums over a whole model, each parameter counted once.

    size_bytes: parameters and buffers as stored. macs: of one forward pass on the traced input.
    uncounted: names of the ops that multiply and have no formula; empty when `macs` is all of it.
    """

    n_parameters: int
    n_trainable: int
    size_bytes: int
    macs: int
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """The call that raised: the innermost module that was running, what it was given, and the reason."""

    path: str
    kind: str
    inputs: Tree
    error: str
    sentence: str


@dataclass(frozen=True)
class Trace:
    """One recorded forward pass of `model`. `calls` are in the order in which they began."""

    model: nn.Module = field(repr=False, compare=False)
    inputs: Tree
    output: Tree
    calls: tuple[Call, ...]
    ops: tuple[Op, ...]
    edges: tuple[Edge, ...]
    totals: Totals
    device: str
    note: str = ""
    """How the pass differs from an ordinary one, such as a smaller image; "" where it does not."""
    failed: Failure | None = None
    used: Mapping[int, int] = field(default_factory=dict, repr=False, compare=False)
    """The model's parameters that some op took, by id: how many ops there had been when one first did."""
    is_tuple: bool = False
    """Whether `output` is a plain tuple; lists, and tuples with names, are trees of the same look."""
    activation_bytes: int = 0
    """Bytes of all results of the ops that allocate: what training has to keep, as an upper bound."""
