"""What the values of a tensor are like: a few numbers and a histogram."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, isfinite, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

N_BINS = 40
PIECE = 1 << 22
"""Elements that are looked at together: a tensor mapped from a file takes memory for no more."""


@dataclass(frozen=True)
class Statistics:
    """Over all finite values; None where there is none. std: of the population. zeros: a share, 0 to 1."""

    n_elements: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    zeros: float | None
    n_nan: int
    n_inf: int


@dataclass(frozen=True)
class Histogram:
    """`counts[i]` finite values lie from `edges[i]` to `edges[i + 1]`."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def middles(self) -> tuple[float, ...]:
        """The middle of each bin."""
        return tuple((low + high) / 2 for low, high in pairwise(self.edges))


def statistics(tensor: Tensor) -> Statistics:
    """The figures of any tensor with values; complex numbers count as their two parts.

    >>> found = statistics(torch.tensor([0.0, 1.0, 2.0, float("nan")]))
    >>> found.mean, found.min, found.max, found.zeros, found.n_nan
    (1.0, 0.0, 2.0, 0.25, 1)
    """
    n_elements = n_nan = n_inf = 0
    finite = []
    for values in _pieces(tensor):
        n_elements += values.numel()
        n_nan += int(values.isnan().sum())
        n_inf += int(values.isinf().sum())
        if (kept := values[values.isfinite()] if n_nan + n_inf else values).numel():
            finite.append(_moments(kept))
    if not finite:
        return Statistics(n_elements, None, None, None, None, None, n_nan, n_inf)
    count = sum(piece.n_values for piece in finite)
    mean = sum(piece.n_values / count * piece.mean for piece in finite)
    spread = (sqrt(piece.n_values / count) * x for piece in finite for x in (piece.std, piece.mean - mean))
    return Statistics(
        n_elements,
        mean,
        hypot(*spread),
        min(piece.min for piece in finite),
        max(piece.max for piece in finite),
        sum(piece.n_zeros for piece in finite) / n_elements,
        n_nan,
        n_inf,
    )


def histogram(tensor: Tensor, bins: int = N_BINS) -> Histogram | None:
    """The finite values in equally wide bins from the least to the greatest; None where there are none to count.

    >>> histogram(torch.tensor([0.0, 0.0, 1.0]), bins=2)
    Histogram(edges=(0.0, 0.5, 1.0), counts=(2, 1))
    """
    limits = [limit.item() for values in _finite(tensor) if values.numel() for limit in values.aminmax()]
    if not limits or not isfinite(max(limits) - min(limits)):
        return None
    low, high = min(limits), max(limits)
    if low == high:
        margin = max(0.5, abs(low) / 1000)
        low, high = low - margin, high + margin
    # in float64, where neither the width of the range nor a count overflows
    counts = sum(torch.histc(values.double(), bins=bins, min=low, max=high) for values in _finite(tensor))
    edges = tuple(low + (high - low) * i / bins for i in range(bins + 1))
    return Histogram(edges, tuple(int(n) for n in torch.as_tensor(counts).tolist()))


class _Moments(NamedTuple):
    """Of finite values; there is at least one."""

    n_values: int
    mean: float
    std: float
    min: float
    max: float
    n_zeros: int


def _moments(values: Tensor) -> _Moments:
    std, mean = torch.std_mean(values, correction=0)
    low, high = values.aminmax()
    n_zeros = values.numel() - int(values.count_nonzero())
    return _Moments(values.numel(), mean.item(), std.item(), low.item(), high.item(), n_zeros)


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """The values as real floating-point numbers in rows of at most `PIECE`, one after the other."""
    values = tensor.detach()
    if values.is_quantized:
        values = values.dequantize()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    return map(_row, _halved(values))


def _halved(values: Tensor) -> Iterator[Tensor]:
    """Views of at most `PIECE` elements: halves of halves, cut where the elements lie farthest apart."""
    if values.numel() <= PIECE:
        yield values
        return
    dim = max(range(values.dim()), key=lambda d: (values.shape[d] > 1, values.stride(d)))
    for half in values.chunk(2, dim):
        yield from _halved(half)


def _finite(tensor: Tensor) -> Iterator[Tensor]:
    return (values[values.isfinite()] for values in _pieces(tensor))


def _row(values: Tensor) -> Tensor:
    """In one row as float32, or float64 where float32 could not tell them apart."""
    wide = values.dtype in (torch.float64, torch.int64, torch.int32, torch.uint32, torch.uint64)
    return values.to(torch.float64 if wide else torch.float32).flatten()
