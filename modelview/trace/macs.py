"""Multiply-accumulates by formula: a function for each op that multiplies, in a table.

The convention is that of torch.utils.flop_counter (2 FLOPs = 1 MAC): convolutions, matrix products and
attention count; elementwise work, norms and pooling do not.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Formula = Callable[[tuple[Any, ...], dict[str, Any], Any], int]


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, *names: str) -> Any:
    if len(args) > position:
        return args[position]
    return next(kwargs[name] for name in names if name in kwargs)


def _convolution(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    weight = _argument(args, kwargs, 1, "weight")
    return int(result.numel() * weight.numel() // weight.shape[0])


def _transposed_convolution(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:  # noqa: ARG001
    """Each input element meets the whole of its filter: (C_in, C_out / groups, *kernel)."""
    value, weight = _argument(args, kwargs, 0, "input"), _argument(args, kwargs, 1, "weight")
    return int(value.numel() * (weight.numel() // weight.shape[0]))


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(result.numel() * _argument(args, kwargs, 0, "input").shape[-1])


def _matmul(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(result.numel() * _argument(args, kwargs, 0, "input", "self").shape[-1])


def _added_matmul(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(result.numel() * _argument(args, kwargs, 1, "mat1", "batch1").shape[-1])


def _einsum(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:  # noqa: ARG001
    """The product of all index sizes, once for each operand after the first."""
    equation = args[0]
    operands = args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:]
    sizes: dict[str, int] = {}
    for indices, operand in zip(equation.replace(" ", "").split("->")[0].split(","), operands, strict=True):
        if "." in indices:
            return int(result.numel() * operands[0].shape[-1])
        sizes.update(zip(indices, operand.shape, strict=True))
    return prod(sizes.values()) * max(len(operands) - 1, 0)


def _attention(args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> int:
    """Q k^T and its product with v: (..., L, E), (..., S, E), (..., S, V)."""
    query, key = _argument(args, kwargs, 0, "query"), _argument(args, kwargs, 1, "key")
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    return int(scores * (query.shape[-1] + result.shape[-1]))


def _multi_head_attention(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:  # noqa: ARG001
    """Input projections, scores, weighted sum and output projection of (L, N, E) on (S, N, E)."""
    query, key, value = (_argument(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value")))
    width = query.shape[-1]
    queries, keys = query.numel() // width, key.numel() // key.shape[-1]
    length = key.shape[0]
    projections = queries * width * width + keys * width * (key.shape[-1] + value.shape[-1])
    return int(projections + 2 * queries * length * width + queries * width * width)


MACS: dict[Any, Formula] = {
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), _convolution),
    **dict.fromkeys((torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d), _transposed_convolution),
    F.linear: _linear,
    **dict.fromkeys(
        (
            torch.matmul,
            torch.bmm,
            torch.mm,
            torch.mv,
            Tensor.matmul,
            Tensor.bmm,
            Tensor.mm,
            Tensor.__matmul__,
        ),
        _matmul,
    ),
    **dict.fromkeys((torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm), _added_matmul),
    torch.einsum: _einsum,
    F.scaled_dot_product_attention: _attention,
    F.multi_head_attention_forward: _multi_head_attention,
}

# fmt: off
CHEAP = frozenset({
    "add", "sub", "mul", "div", "neg", "exp", "sigmoid", "tanh", "relu", "softmax", "sum", "mean", "expand",
    "expand_as", "cat", "stack", "getitem", "embedding", "view", "batch_norm", "layer_norm", "group_norm",
    "instance_norm", "rms_norm", "normalize", "permute", "transpose", "reshape", "flatten", "clone", "index_select",
    "to", "unsqueeze", "squeeze", "pad", "contiguous", "clamp", "type", "float", "repeat", "repeat_interleave",
    "interpolate", "norm", "pow", "sqrt", "rsqrt", "detach", "prelu", "copy_", "index", "roll", "get",
})
# fmt: on
"""Ops that may take a weight matrix and still multiply nothing that counts."""
