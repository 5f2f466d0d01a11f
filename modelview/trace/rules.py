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

from modelview.empties import alike, empty
from modelview.trace import windows

Rule = Callable[..., Any]


def _activation(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:  # noqa: ARG001
    """Torch's activations take `inplace` last, by position or by name."""
    return input if inplace or (args and args[-1] is True) else alike(input)


def _unary(input: Tensor) -> Tensor | None:
    return alike(input)


def _gelu(input: Tensor, approximate: str = "none") -> Tensor | None:
    return alike(input) if approximate in ("none", "tanh") else None


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor | None:
    if not 0 <= p <= 1 or (training and not input.dtype.is_floating_point):
        return None
    return input if inplace else alike(input)


def _softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor | None:
    if dim is None or dtype is not None or not -input.dim() <= dim < input.dim():
        return None
    return alike(input)


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
    if input.dim() < 2 or (running_mean is None and not training):
        return None
    wanted = (input.shape[1],)
    if training and input.numel() <= input.shape[1]:  # a mean is taken of more than one value
        return None
    for tensor in (running_mean, running_var, weight, bias):
        if tensor is not None and tensor.shape != wanted:
            return None
    return alike(input)


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
    return alike(input)


def _broadcast(input: Any, other: Any, alpha: float | None = None) -> Tensor | None:
    """A floating tensor with a number, or with one of its dtype; promotion and odd strides are torch's."""
    if alpha is not None or not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        return None
    if type(other) in (int, float):
        return alike(input)
    if not isinstance(other, Tensor) or other.dtype != input.dtype or not other.is_meta:
        return None
    shape = _broadcast_shape(input.shape, other.shape)
    if shape is None:
        return None
    if input.is_contiguous() and other.is_contiguous():
        return empty(input, shape)
    if shape == input.shape and (other.stride() == input.stride() or other.numel() < input.numel()):
        return alike(input)
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
    return empty(first, (*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :]))


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor | None:
    numbers = all(bound is None or type(bound) in (int, float) for bound in (min, max))
    return alike(input) if numbers and (min, max) != (None, None) and input.dtype.is_floating_point else None


def _normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Tensor | None:  # noqa: ARG001
    known = out is None and type(dim) is int and -input.dim() <= dim < input.dim()
    if not known or not input.dtype.is_floating_point:
        return None
    return alike(input)


def _roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor | None:
    plain = all(
        isinstance(value, tuple | list) and value and set(map(type, value)) == {int} for value in (shifts, dims)
    )
    if not plain or len(shifts) != len(dims) or not input.is_contiguous():
        return None
    return empty(input, input.shape) if all(-input.dim() <= dim < input.dim() for dim in dims) else None


def _instance_norm(
    input: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None, bias: Any = None, **_: Any
) -> Tensor | None:
    """Without weights and statistics, on maps of more than one value."""
    given = (running_mean, running_var, weight, bias)
    if any(value is not None for value in given) or input.dim() != 4 or input.shape[2:].numel() < 2:
        return None
    return alike(input) if input.is_contiguous() else None


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    if weight.dim() != 2 or input.dim() < 1 or input.shape[-1] != weight.shape[1] or not weight.is_meta:
        return None
    if input.dtype != weight.dtype or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    return empty(input, (*input.shape[:-1], weight.shape[0]))


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
    return alike(query), None


RULES: dict[Any, Rule] = {
    F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
    F.instance_norm: _instance_norm,
    F.softmax: _softmax,
    F.dropout: _dropout,
    F.gelu: _gelu,
    F.normalize: _normalize,
    F.interpolate: windows.interpolate,
    F.grid_sample: windows.grid_sample,
    F.adaptive_avg_pool2d: windows.adaptive_avg_pool2d,
    F.avg_pool2d: windows.avg_pool2d,
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
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), windows.convolution),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), windows.max_pool2d),
    **dict.fromkeys((torch.cat, torch.concat), _cat),
    **dict.fromkeys((torch.clamp, Tensor.clamp), _clamp),
    **dict.fromkeys((torch.roll, Tensor.roll), _roll),
}
