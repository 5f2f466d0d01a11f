"""Shape rules of what moves over positions: convolutions, pooling, and resampling."""

from typing import Any

from torch import Tensor

from modelview.empties import empty


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    """In one, two or three dimensions, with padding in numbers."""
    dims = weight.dim() - 2
    strides, pads, dilations = _tuple(stride, dims), _tuple(padding, dims), _tuple(dilation, dims)
    if strides is None or pads is None or dilations is None or input.dim() != dims + 2:
        return None
    (n, channels, *sizes), (width, depth, *kernel) = input.shape, weight.shape
    if channels != depth * groups or width % groups or input.dtype != weight.dtype:
        return None
    if (bias is not None and bias.shape != (width,)) or not weight.is_meta:
        return None
    out = [
        (size + 2 * pad - step * (extent - 1) - 1) // stride + 1
        for size, pad, step, extent, stride in zip(sizes, pads, dilations, kernel, strides, strict=True)
    ]
    return empty(input, (n, width, *out)) if min(out) > 0 and min(strides) > 0 else None


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    """Of (N, C, H, W), without indices."""
    return None if return_indices else _pool(input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,  # noqa: ARG001
    divisor_override: Any = None,
) -> Tensor | None:
    """Of (N, C, H, W)."""
    return None if divisor_override is not None else _pool(input, kernel_size, stride, padding, 1, ceil_mode=ceil_mode)


def _pool(input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, *, ceil_mode: bool) -> Any:
    if input.dim() != 4 or not input.is_contiguous() or not input.dtype.is_floating_point:
        return None
    kernels, pads, steps = _pair(kernel_size), _pair(padding), _pair(dilation)
    strides = kernels if stride is None else _pair(stride)
    if kernels is None or pads is None or steps is None or strides is None or min(*kernels, *strides, *steps) < 1:
        return None
    if any(not 0 <= pad <= kernel // 2 for pad, kernel in zip(pads, kernels, strict=True)):
        return None
    out = []
    for size, kernel, stride, pad, step in zip(input.shape[2:], kernels, strides, pads, steps, strict=True):
        span = size + 2 * pad - step * (kernel - 1) - 1
        count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
        if ceil_mode and (count - 1) * stride >= size + pad:  # the last window would begin behind the end
            count -= 1
        out.append(count)
    return empty(input, (*input.shape[:2], *out)) if min(out) > 0 and 0 not in input.shape else None


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor | None:
    """Of (N, C, H, W), to sizes that are given."""
    size = _pair(output_size)
    if size is None or min(size) < 0 or input.dim() != 4 or not input.is_contiguous() or 0 in input.shape:
        return None
    return empty(input, (*input.shape[:2], *size))


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    **others: Any,
) -> Tensor | None:
    """Of (N, C, H, W), to a size."""
    wanted = _pair(size)
    if scale_factor is not None or any(others.values()) or input.dim() != 4 or 0 in input.shape:
        return None
    if wanted is None or min(wanted) < 1:
        return None
    if mode not in ("nearest", "bilinear") or (mode == "nearest" and align_corners is not None):
        return None
    return empty(input, (*input.shape[:2], *wanted)) if input.is_contiguous() else None


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Tensor | None:
    """Of (N, C, H, W), with `align_corners` given."""
    if input.dim() != 4 or grid.dim() != 4 or grid.shape[0] != input.shape[0] or grid.shape[3] != 2:
        return None
    usual = mode in ("bilinear", "nearest") and padding_mode in ("zeros", "border") and align_corners is not None
    if not usual or not grid.is_meta or grid.dtype != input.dtype or 0 in input.shape:
        return None
    return empty(input, (*input.shape[:2], *grid.shape[1:3]))


def _tuple(value: Any, length: int) -> tuple[int, ...] | None:
    if type(value) is int:
        return (value,) * length
    if isinstance(value, (tuple, list)) and len(value) == length and set(map(type, value)) == {int}:
        return tuple(value)
    return None


def _pair(value: Any) -> tuple[int, ...] | None:
    return _tuple(value, 2)
