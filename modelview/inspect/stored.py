"""What the values of a tensor in a file are like: read from the file when somebody asks, that tensor alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from modelview.checkpoints.reading import Checkpoint
from modelview.checkpoints.records import TensorInfo
from modelview.errors import CheckpointError
from modelview.inspect.statistics import Histogram, Statistics, histogram, statistics
from modelview.names import short

MOST_REPEATED = 1 << 28
"""Bytes that a view may make of a smaller storage by going over the same values again."""


@dataclass(frozen=True)
class StoredRow:
    """The values of one tensor of a file. note: which values these are, where not simply its elements; or ""."""

    name: str
    statistics: Statistics
    histogram: Histogram | None
    note: str = ""


def stored(ck: Checkpoint, name: str) -> StoredRow:
    """The figures of one tensor of a file, its values checked and nothing else read.

    Raises UnknownName, and CheckpointError where the values are damaged, cannot be read, or have no figures.
    """
    if name in ck.tensors:
        _require_its_own(ck, name, ck.tensors[name])
    try:
        values, note = _values(ck.tensor(name))
        return StoredRow(name, statistics(values), histogram(values), note)
    except (RuntimeError, TypeError) as error:  # torch's, for dtypes that it keeps and cannot compute with
        dtype = ck.tensors[name].dtype
        raise CheckpointError(f"The values of {short(name)!r} are {dtype}, which no figures can be made of.") from error


def _require_its_own(ck: Checkpoint, name: str, info: TensorInfo) -> None:
    """A few bytes with strides of 0 can claim to be any number of elements."""
    if info.storage is not None and info.nbytes > max(ck.spans[info.storage].nbytes, MOST_REPEATED):
        raise CheckpointError(
            f"{short(name)!r} repeats {ck.spans[info.storage].nbytes:,} bytes until they are {info.nbytes:,}; "
            "figures are made of no such tensor."
        )
    for part, inner in info.parts:
        _require_its_own(ck, f"{name} ({part})", inner)


def _values(tensor: Tensor) -> tuple[Tensor, str]:
    """The values that the figures are of, and a note where these are not simply the elements."""
    if tensor.is_quantized:
        return tensor, "The values are those that the quantized ones stand for."
    if tensor.layout == torch.strided:
        return tensor, "Real and imaginary parts count as a value each." if tensor.is_complex() else ""
    kept = tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.values()
    return kept, f"Only stored values count: {kept.numel():,} of {tensor.numel():,} elements; the others are 0."
