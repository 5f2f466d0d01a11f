"""What the values of a tensor are like: a few numbers and a histogram."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

N_BINS = 40


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
    values = _real(tensor)
    count = values.numel()
    n_nan, n_inf = int(values.isnan().sum()), int(values.isinf().sum())
    if n_nan or n_inf:
        values = values[values.isfinite()]
    if not values.numel():
        return Statistics(count, None, None, None, None, None, n_nan, n_inf)
    std, mean = torch.std_mean(values, correction=0)
    low, high = values.aminmax()
    zeros = 1 - int(values.count_nonzero()) / count if not n_nan + n_inf else int((values == 0).sum()) / count
    return Statistics(count, mean.item(), std.item(), low.item(), high.item(), zeros, n_nan, n_inf)


def histogram(tensor: Tensor, bins: int = N_BINS) -> Histogram | None:
    """The finite values in equally wide bins from the least to the greatest; None where there are none.

    >>> histogram(torch.tensor([0.0, 0.0, 1.0]), bins=2)
    Histogram(edges=(0.0, 0.5, 1.0), counts=(2, 1))
    """
    values = _real(tensor)
    values = values[values.isfinite()]
    if not values.numel():
        return None
    low, high = (limit.item() for limit in values.aminmax())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = torch.histc(values, bins=bins, min=low, max=high)
    edges = tuple(low + (high - low) * i / bins for i in range(bins + 1))
    return Histogram(edges, tuple(int(n) for n in counts.tolist()))


def _real(tensor: Tensor) -> Tensor:
    """The values in one row as float32, or float64 where float32 could not tell them apart."""
    values = tensor.detach()
    if values.is_quantized:
        values = values.dequantize()
    if values.is_complex():
        values = torch.view_as_real(values)
    wide = values.dtype in (torch.float64, torch.int64, torch.int32)
    return values.to(torch.float64 if wide else torch.float32).flatten()
