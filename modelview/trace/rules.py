"""Shape rules: what torch's own meta kernels answer, without running them.

Many meta kernels are decompositions in Python (batch_norm takes 1.1 ms a call); the commonest functions only
need the shape of their result. A rule checks its arguments and gives None for whatever it does not
know, so that torch itself answers, or raises its own error. Rules see meta tensors only.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Rule = Callable[..., Any]


def _alike(input: Tensor) -> Tensor:
    """An empty tensor like `input`, strides included; torch's own search for them is slow on meta."""
    if input.is_contiguous():
        return input.new_empty(input.shape)
    return input.new_empty_strided(input.shape, input.stride()) if _is_dense(input) else torch.empty_like(input)


def _is_dense(input: Tensor) -> bool:
    """Whether the elements fill their storage without gaps, in some order of the axes."""
    expected = 1
    for stride, size in sorted(zip(input.stride(), input.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _activation(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:  # noqa: ARG001
    """Torch's activations take `inplace` last, by position or by name."""
    return input if inplace or (args and args[-1] is True) else _alike(input)


def _unary(input: Tensor) -> Tensor | None:
    return _alike(input)


def _gelu(input: Tensor, approximate: str = "none") -> Tensor | None:
    return _alike(input) if approximate in ("none", "tanh") else None


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor | None:
    if training or not 0 <= p <= 1:
        return None
    return input if inplace else _alike(input)


def _softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor | None:
    if dim is None or dtype is not None or not -input.dim() <= dim < input.dim():
        return None
    return _alike(input)


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001
    eps: float = 1e-5,  # noqa: ARG001
) -> Tensor | None:
    if training or running_mean is None or input.dim() < 2:
        return None
    wanted = (input.shape[1],)
    for tensor in (running_mean, running_var, weight, bias):
        if tensor is not None and tensor.shape != wanted:
            return None
    return _alike(input)


def _layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,  # noqa: ARG001
) -> Tensor | None:
    wanted = tuple(normalized_shape)
    if not wanted or tuple(input.shape[-len(wanted) :]) != wanted:
        return None
    if any(tensor is not None and tuple(tensor.shape) != wanted for tensor in (weight, bias)):
        return None
    return _alike(input)


def _broadcast(input: Any, other: Any, alpha: float | None = None) -> Tensor | None:
    """A floating tensor with a number, or with one of its dtype; promotion and odd strides are torch's."""
    if alpha is not None or not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        return None
    if type(other) in (int, float):
        return _alike(input)
    if not isinstance(other, Tensor) or other.dtype != input.dtype or not other.is_meta:
        return None
    shape = _broadcast_shape(input.shape, other.shape)
    if shape is None:
        return None
    if input.is_contiguous() and other.is_contiguous():
        return input.new_empty(shape)
    if shape == input.shape and (other.stride() == input.stride() or other.numel() < input.numel()):
        return _alike(input)
    return None


def _broadcast_shape(ours: tuple[int, ...], theirs: tuple[int, ...]) -> tuple[int, ...] | None:
    longer, shorter = (ours, theirs) if len(ours) >= len(theirs) else (theirs, ours)
    padded = (1,) * (len(longer) - len(shorter)) + tuple(shorter)
    if any(a != b and 1 not in (a, b) for a, b in zip(longer, padded, strict=True)):
        return None
    return tuple(b if a == 1 else a for a, b in zip(longer, padded, strict=True))


def _broadcast_in_place(input: Tensor, other: Any, alpha: float | None = None) -> Tensor | None:
    result = _broadcast(input, other, alpha)
    return input if result is not None and result.shape == input.shape else None


def _cat(tensors: Any, dim: int = 0) -> Tensor | None:
    """Contiguous tensors of one dtype that differ along `dim` alone."""
    if not isinstance(tensors, tuple | list) or not tensors or type(dim) is not int:
        return None
    first: Tensor = tensors[0]
    dims = first.dim()
    if not -dims <= dim < dims:
        return None
    dim %= dims
    rest = (*first.shape[:dim], *first.shape[dim + 1 :])
    for tensor in tensors:
        if tensor.dim() != dims or tensor.dtype != first.dtype or not (tensor.is_meta and tensor.is_contiguous()):
            return None
        if (*tensor.shape[:dim], *tensor.shape[dim + 1 :]) != rest:
            return None
    return first.new_empty((*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :]))


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor | None:
    numbers = all(bound is None or type(bound) in (int, float) for bound in (min, max))
    return _alike(input) if numbers and (min, max) != (None, None) and input.dtype.is_floating_point else None


def _normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor | None:  # noqa: ARG001
    if type(dim) is not int or not -input.dim() <= dim < input.dim() or not input.dtype.is_floating_point:
        return None
    return _alike(input)


def _roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor | None:
    plain = all(
        isinstance(value, tuple | list) and value and set(map(type, value)) == {int} for value in (shifts, dims)
    )
    if not plain or len(shifts) != len(dims) or not input.is_contiguous():
        return None
    return input.new_empty(input.shape) if all(-input.dim() <= dim < input.dim() for dim in dims) else None


def _interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None
) -> Tensor | None:
    wanted = _pair(size)
    if wanted is None or min(wanted) < 1 or scale_factor is not None or input.dim() != 4 or 0 in input.shape:
        return None
    if mode not in ("nearest", "bilinear") or (mode == "nearest" and align_corners is not None):
        return None
    return input.new_empty((*input.shape[:2], *wanted)) if input.is_contiguous() else None


def _grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: Any = None
) -> Tensor | None:
    if input.dim() != 4 or grid.dim() != 4 or grid.shape[0] != input.shape[0] or grid.shape[3] != 2:
        return None
    usual = mode in ("bilinear", "nearest") and padding_mode in ("zeros", "border") and align_corners is not None
    if not usual or not grid.is_meta or grid.dtype != input.dtype or 0 in input.shape:
        return None
    return input.new_empty((*input.shape[:2], *grid.shape[1:3]))


def _instance_norm(
    input: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, **_: Any
) -> Tensor | None:
    """Without weights and statistics, on maps of more than one value."""
    given = (running_mean, running_var, weight, bias)
    if any(value is not None for value in given) or input.dim() != 4 or input.shape[2:].numel() < 2:
        return None
    return _alike(input) if input.is_contiguous() else None


def _tuple(value: Any, length: int) -> tuple[int, ...] | None:
    if isinstance(value, int):
        return (value,) * length
    if isinstance(value, tuple | list) and len(value) == length and all(isinstance(v, int) for v in value):
        return tuple(value)
    return None


def _pair(value: Any) -> tuple[int, ...] | None:
    return _tuple(value, 2)


def _adaptive_pool(input: Tensor, output_size: Any) -> Tensor | None:
    size = _pair(output_size)
    if size is None or min(size) < 0 or input.dim() != 4 or not input.is_contiguous() or 0 in input.shape:
        return None
    return input.new_empty((*input.shape[:2], *size))


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
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
    return input.new_empty((n, width, *out)) if min(out) > 0 and min(strides) > 0 else None


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    if weight.dim() != 2 or input.dim() < 1 or input.shape[-1] != weight.shape[1] or not weight.is_meta:
        return None
    if input.dtype != weight.dtype or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    return input.new_empty((*input.shape[:-1], weight.shape[0]))


def _multi_head_attention(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, heads: int, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor | None] | None:
    """Self-attention without masks or weights, (L, N, E); everything else is torch's."""
    names = "in_proj_weight in_proj_bias bias_k bias_v add_zero_attn dropout_p out_proj_weight out_proj_bias"
    given = dict(zip(names.split(), args, strict=False)) | kwargs
    width, weight = query.shape[-1], given["in_proj_weight"]
    unusual = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "need_weights", "static_k", "static_v")
    if query.dim() != 3 or query.shape != key.shape or key.shape != value.shape or width != embed_dim:
        return None
    if any(given.get(name) is not None and given.get(name) is not False for name in unusual):
        return None
    if given.get("need_weights", True) or given.get("add_zero_attn") or width % heads:
        return None
    if weight is None or weight.shape != (3 * width, width) or given["out_proj_weight"].shape != (width, width):
        return None
    return _alike(query), None


RULES: dict[Any, Rule] = {
    F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
    F.instance_norm: _instance_norm,
    F.softmax: _softmax,
    F.dropout: _dropout,
    F.gelu: _gelu,
    F.normalize: _normalize,
    F.interpolate: _interpolate,
    F.grid_sample: _grid_sample,
    F.adaptive_avg_pool2d: _adaptive_pool,
    F.linear: _linear,
    F.multi_head_attention_forward: _multi_head_attention,
    **dict.fromkeys(
        (F.relu, F.relu6, F.hardtanh, F.hardswish, F.hardsigmoid, F.silu, F.leaky_relu, F.elu, F.selu, F.mish),
        _activation,
    ),
    **dict.fromkeys((torch.relu, torch.sigmoid, torch.tanh, Tensor.sigmoid, Tensor.tanh, Tensor.relu), _unary),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _broadcast),
    **dict.fromkeys((torch.sub, Tensor.sub, Tensor.__sub__, Tensor.__rsub__), _broadcast),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _broadcast),
    **dict.fromkeys((torch.div, Tensor.div, Tensor.__truediv__), _broadcast),
    **dict.fromkeys((Tensor.add_, Tensor.__iadd__), _broadcast_in_place),
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), _convolution),
    **dict.fromkeys((torch.cat, torch.concat), _cat),
    **dict.fromkeys((torch.clamp, Tensor.clamp), _clamp),
    **dict.fromkeys((torch.roll, Tensor.roll), _roll),
}
