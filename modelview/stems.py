"""Which convolutions see a model's input: those that its example pass leads to before any other weights."""

from dataclasses import dataclass

from torch import nn

from modelview.structure import Structure
from modelview.trace.records import Op, Trace

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Stem:
    """A convolution that sees the input, and which inputs of `forward` it sees, counted from 0."""

    path: str
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Stems:
    """How far the inputs go before their channels are mixed.

    stems: the convolutions that mix them, in the order in which they run. others: paths of whatever else does,
    such as a Linear. through: paths of the modules whose own ops the inputs pass on the way there: normalising,
    padding, concatenating.
    """

    stems: tuple[Stem, ...]
    others: tuple[str, ...]
    through: tuple[str, ...]


def stems(before: Structure) -> Stems:
    """What sees the input in the example pass, or in as much of it as runs."""
    trace = before.trace
    modules = dict(trace.model.named_modules(remove_duplicate=False))
    seen: dict[str, dict[int, None]] = {}
    others: dict[str, None] = {}
    through: dict[str, None] = {}
    for op, inputs in _reached(trace):
        if not _mixes(op):
            through[op.path] = None
        elif isinstance(modules[op.path], _CONVOLUTIONS):
            seen.setdefault(op.path, {}).update(dict.fromkeys(inputs))
        else:
            others[op.path] = None
    found = tuple(Stem(path, tuple(sorted(inputs))) for path, inputs in seen.items())
    return Stems(found, tuple(others), tuple(through))


def _reached(trace: Trace) -> list[tuple[Op, set[int]]]:
    """The ops that some input comes to unmixed, each with the numbers of those inputs."""
    carried: dict[int, set[int]] = {}
    found = []
    for op in trace.ops:
        inputs = {op.index} if op.name == "input" else set().union(*(carried.get(i, set()) for i in op.inputs))
        if not inputs or op.name == "output":
            continue
        if not _mixes(op):
            carried[op.index] = inputs
        if op.name != "input":
            found.append((op, inputs))
    return found


def _mixes(op: Op) -> bool:
    """Whether the op multiplies by weights, after which there is nothing left of the input's own channels."""
    return op.macs > 0 or op.name.startswith("conv")
