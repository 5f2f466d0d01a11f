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
    """An empty tensor like `input`; for the common layout without torch's own search for the strides."""
    return input.new_empty(input.shape) if input.is_contiguous() else torch.empty_like(input)


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
    """Only for two plain tensors of as many dimensions and one dtype; promotion is torch's."""
    if alpha is not None or not isinstance(input, Tensor) or not isinstance(other, Tensor):
        return None
    if input.dtype != other.dtype or not other.is_meta or not (input.is_contiguous() and other.is_contiguous()):
        return None
    ours, theirs = input.shape, other.shape
    if ours == theirs:
        return input.new_empty(ours)
    if len(ours) != len(theirs) or any(a != b and 1 not in (a, b) for a, b in zip(ours, theirs, strict=True)):
        return None
    return input.new_empty([b if a == 1 else a for a, b in zip(ours, theirs, strict=True)])


def _broadcast_in_place(input: Tensor, other: Any, alpha: float | None = None) -> Tensor | None:
    result = _broadcast(input, other, alpha)
    return input if result is not None and result.shape == input.shape else None


def _adaptive_pool(input: Tensor, output_size: Any) -> Tensor | None:
    size = _pair(output_size)
    if size is None or min(size) < 0 or input.dim() != 4 or not input.is_contiguous() or 0 in input.shape:
        return None
    return input.new_empty((*input.shape[:2], *size))


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, tuple | list) and len(value) == 2 and all(isinstance(v, int) for v in value):
        return value[0], value[1]
    return None


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor | None:
    strides, pads, dilations = _pair(stride), _pair(padding), _pair(dilation)
    if strides is None or pads is None or dilations is None or input.dim() != 4 or weight.dim() != 4:
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
    F.softmax: _softmax,
    F.dropout: _dropout,
    **dict.fromkeys(
        (F.relu, F.relu6, F.hardswish, F.hardsigmoid, F.silu, F.leaky_relu, F.elu, F.selu, F.mish),
        _activation,
    ),
    F.gelu: _gelu,
    **dict.fromkeys((torch.relu, torch.sigmoid, torch.tanh, Tensor.sigmoid, Tensor.tanh, Tensor.relu), _unary),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _broadcast),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__), _broadcast),
    **dict.fromkeys((Tensor.add_, Tensor.__iadd__), _broadcast_in_place),
    F.adaptive_avg_pool2d: _adaptive_pool,
    torch.conv2d: _conv2d,
    F.linear: _linear,
    F.multi_head_attention_forward: _multi_head_attention,
}
