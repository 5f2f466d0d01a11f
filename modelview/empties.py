"""Tensors on meta: a shape and a dtype, no values."""

from collections.abc import Sequence

import torch
from torch import Tensor

_META = torch.device("meta")


def empty(like: Tensor, shape: Sequence[int]) -> Tensor:
    """A contiguous one of the dtype of `like`. `Tensor.new_empty` takes three times as long on meta."""
    return torch.empty(shape, dtype=like.dtype, device=_META)


def alike(input: Tensor) -> Tensor:
    """One like `input`, strides included; `torch.empty_like` searches for them slowly on meta."""
    if input.is_contiguous():
        return empty(input, input.shape)
    strides = _dense_strides(input)
    if strides is None:
        return torch.empty_like(input)
    return torch.empty_strided(input.shape, strides, dtype=input.dtype, device=_META)


def _dense_strides(input: Tensor) -> tuple[int, ...] | None:
    """Strides without gaps that keep the order of the axes; None where that order is not plain."""
    strides, expected, is_dense = [0] * input.dim(), 1, True
    pairs = sorted(zip(input.stride(), range(input.dim()), strict=True))
    for given, axis in pairs:
        size = input.shape[axis]
        is_dense = is_dense and (size == 1 or given == expected)
        strides[axis] = expected
        expected *= size
    if is_dense:
        return input.stride()
    is_plain = min(input.shape) > 1 and pairs[0][0] > 0 and len(set(input.stride())) == len(pairs)
    return tuple(strides) if is_plain else None
