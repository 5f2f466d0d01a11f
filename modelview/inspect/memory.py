"""What training would take, estimated from one recorded pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from modelview.errors import EditError
from modelview.names import unknown
from modelview.trace.records import Trace
from modelview.trace.shapes import is_shape

OPTIMIZERS = {"SGD": 0, "SGD with momentum": 1, "Adam": 2}
"""How many numbers each keeps for one trained parameter."""

KEEP_INPUT = {"silu", "hardswish", "hardsigmoid", "hardtanh", "relu6", "elu", "selu", "celu", "mish"}
"""Activations whose gradient needs their input: in place, they keep a copy of it."""
INDEX_BYTES = 8
"""What max-pooling keeps for each result: where it came from."""


@dataclass(frozen=True)
class MemoryRow:
    """Bytes that one training step holds at most, by what they are for."""

    batch_size: int
    parameters: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer + self.activations


def memory(trace: Trace, optimizer: str = "Adam", batch_sizes: Iterable[int] = (1, 8, 32, 128)) -> list[MemoryRow]:
    """One row a batch size. Raises UnknownName for an optimizer, EditError for a batch size below 1.

    parameters: as stored, buffers included. gradients: of what trains. activations: the input, the results of
    every op that allocates, as if all were kept until the backward pass, and what some ops keep beside these;
    none where nothing trains. That is more than the tensors take, and kernels' workspace comes on top.
    """
    if optimizer not in OPTIMIZERS:
        raise unknown("optimizer", optimizer, OPTIMIZERS)
    batch_sizes = list(batch_sizes)
    if bad := [size for size in batch_sizes if isinstance(size, bool) or size < 1]:
        raise EditError(f"A batch size is a whole number from 1 up; got {bad[0]}.")
    gradients = sum(p.numel() * p.element_size() for p in trace.model.parameters() if p.requires_grad)
    each = (trace.activation_bytes + _beside(trace)) / _batch(trace.inputs) if gradients else 0
    return [
        MemoryRow(
            batch_size=size,
            parameters=trace.totals.size_bytes,
            gradients=gradients,
            optimizer=OPTIMIZERS[optimizer] * gradients,
            activations=round(each * size),
        )
        for size in batch_sizes
    ]


def _beside(trace: Trace) -> int:
    """Bytes that are kept for the backward pass, but are no op's result in eval mode."""
    parameter = next(trace.model.parameters(), None)
    size = parameter.element_size() if parameter is not None else 4
    found = 0
    for op in trace.ops:
        elements = sum(map(prod, op.shapes))
        name = op.name.removesuffix("_")
        if name == "input":
            found += elements * size
        elif "max_pool" in name:
            found += elements * INDEX_BYTES
        elif "dropout" in name:
            found += elements * 2 * size
        elif name in KEEP_INPUT:
            found += elements * size
    return found


def _batch(inputs: Any) -> int:
    """N of the traced pass; a list of images, as detectors take it, counts them."""
    if is_shape(inputs):
        return inputs[0] if len(inputs) != 3 and inputs else 1
    if isinstance(inputs, tuple) and inputs:
        first = inputs[0]
        if is_shape(first) and len(first) == 3:
            return len(inputs)
        return _batch(first)
    return 1
