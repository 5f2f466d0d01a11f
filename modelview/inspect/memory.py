"""What training would take, estimated from one recorded pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modelview.errors import EditError
from modelview.names import unknown
from modelview.trace.records import Trace
from modelview.trace.shapes import is_shape

OPTIMIZERS = {"SGD": 0, "SGD with momentum": 1, "Adam": 2}
"""How many numbers each keeps for one trained parameter."""


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

    parameters: as stored, buffers included. gradients: of what trains. activations: the results of every op
    that allocates, as if all were kept until the backward pass; none where nothing trains. That makes
    it an upper bound of what the tensors take; kernels' workspace and the allocator's slack come on top.
    """
    if optimizer not in OPTIMIZERS:
        raise unknown("optimizer", optimizer, OPTIMIZERS)
    batch_sizes = list(batch_sizes)
    if bad := [size for size in batch_sizes if isinstance(size, bool) or size < 1]:
        raise EditError(f"A batch size is a whole number from 1 up; got {bad[0]}.")
    gradients = sum(p.numel() * p.element_size() for p in trace.model.parameters() if p.requires_grad)
    each = trace.activation_bytes / _batch(trace.inputs) if gradients else 0
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
