"""One layer of one pixel that brings what comes to the width that follows."""

from dataclasses import dataclass

from modelview.layers import Layer
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.records import Call, Shape
from modelview.trace.shapes import text


@dataclass(frozen=True)
class Bridge:
    """A convolution of one pixel, or a Linear, in the place of a call. note: what it does, in words."""

    layer: Layer
    note: str


def bridge(before: Structure, call: Call) -> Bridge | None:
    """What makes of the call's one tensor as many channels as the call does; None where no such layer can.

    A convolution has the stride that gives the call's positions; where none does, the positions stay as they come.
    """
    shape, wanted = call.inputs, call.outputs
    if len(shape) != len(wanted) or len(shape) < 2:
        return None
    axis = channel_axis(before.trace, call.result[0]) if call.result else 1
    came, made = _positions(shape, axis), _positions(wanted, axis)
    if came != made and _axis_before(before, call) != axis:
        return None
    stride = None
    if axis == 1 and 2 < len(shape) <= 5:
        stride = _stride(came, made)
        more = f", stride={stride}" if stride not in (None, 1) else ""
        layer = Layer(f"Conv{len(shape) - 2}d({shape[1]}, {wanted[1]}, kernel_size=1{more})")
    elif axis == len(shape) - 1:
        layer = Layer(f"Linear({shape[-1]}, {wanted[-1]})")
    else:
        return None
    note = f"`{layer.text}` brings {shape[axis]:,} to {wanted[axis]:,} channels, which is what follows `{call.path}`."
    if came != made and stride is None:
        note += f" Its positions are {text(came)}, where they were {text(made)}."
    return Bridge(layer, note)


def _positions(shape: Shape, axis: int) -> Shape:
    """The sizes of a tensor (N, ...) that are neither N nor its channels."""
    return tuple(size for other, size in enumerate(shape) if other not in (0, axis))


def _axis_before(before: Structure, call: Call) -> int | None:
    """The channel axis of what came into the call; None where it took nothing that was made before."""
    taken = (i for op in before.trace.ops[call.ops.start : call.ops.stop] for i in op.inputs if i < call.ops.start)
    source = next(taken, None)
    return None if source is None else channel_axis(before.trace, source)


def _stride(came: Shape, made: Shape) -> int | Shape | None:
    """The stride with which a convolution of one pixel makes the positions `made`; None where none does.

    >>> _stride((112, 112), (56, 56)), _stride((16, 14, 14), (16, 7, 7)), _stride((35, 35), (71, 71))
    (2, (1, 2, 2), None)
    """
    fitting = [
        {stride for stride in range(1, 33) if (size - 1) // stride + 1 == other}
        for size, other in zip(came, made, strict=True)
    ]
    if common := set.intersection(*fitting):
        return min(common)
    return tuple(map(min, fitting)) if all(fitting) else None
