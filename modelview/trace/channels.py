"""Which axis of a tensor holds its channels, told by the ops that made it."""

from modelview.trace.records import Op, Trace

_FIRST = ("conv", "batch_norm", "group_norm", "pool", "interpolate", "pixel_shuffle")
_LAST = ("linear", "layer_norm", "multi_head_attention", "scaled_dot_product", "matmul", "einsum", "rms_norm")


def channel_axis(trace: Trace, op: int) -> int:
    """The channel axis of the result of `trace.ops[op]`: 1 behind a convolution, the last behind a Linear.

    Elementwise ops are passed through to their inputs, permutations are followed; 1 where nothing tells.
    """
    moved: list[Op] = []
    seen: set[int] = set()
    waiting = [op]
    while waiting:
        current = trace.ops[waiting.pop()]
        if current.index in seen:
            continue
        seen.add(current.index)
        dims = len(current.shapes[0]) if current.shapes else 0
        if any(word in current.name for word in _FIRST) and dims > 1:
            return _follow(1, moved, trace, op)
        if any(word in current.name for word in _LAST) and dims > 0:
            return _follow(dims - 1, moved, trace, op)
        if current.name == "flatten" or dims < 2:
            break
        if current.detail:
            moved.append(current)
        waiting.extend(i for i in reversed(current.inputs) if len(trace.ops[i].shapes[0]) == dims)
    return min(1, len(trace.ops[op].shapes[0]) - 1)


def _follow(axis: int, moved: list[Op], trace: Trace, op: int) -> int:
    """Where `axis` has come to after the permutations between its maker and `op`."""
    for permutation in reversed(moved):
        dims = len(permutation.shapes[0])
        order = [dim % dims for dim in permutation.detail]
        if permutation.name == "transpose":
            first, second = order
            axis = {first: second, second: first}.get(axis, axis)
        else:
            axis = order.index(axis) if axis in order else axis
    return min(axis, len(trace.ops[op].shapes[0]) - 1)
