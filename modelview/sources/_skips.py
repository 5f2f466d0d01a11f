"""Skips of an Up: which earlier row's output it takes beside what comes in, and whether the two fit."""

from dataclasses import dataclass
from typing import Any

from modelview.errors import EditError
from modelview.names import short, unknown
from modelview.sources.base import Shape
from modelview.trace.shapes import is_shape, text


@dataclass(frozen=True)
class Skip:
    """The output of an earlier row: its name, and the shape (N, C, H, W)."""

    name: str
    shape: Shape


def chosen(name: str, wanted: str | None, inputs: Shape, outputs: dict[str, Any]) -> Skip:
    """The skip of the row `name`, into which a tensor of shape `inputs` comes.

    wanted: the earlier row that it names; else the newest that fits, as a U-Net pairs them. outputs: what each earlier
    row leaves, in order. Raises UnknownName, and EditError where none fits.
    """
    if len(inputs) != 4:
        raise EditError(f"`{name}` takes a tensor (N, C, H, W) and a skip, and {text(inputs)} comes in.")
    if wanted is None:
        return _newest(name, inputs, outputs)
    if wanted not in outputs:
        raise unknown("earlier row", wanted, outputs)
    shape = outputs[wanted]
    if not _fits(inputs, shape):
        raise EditError(
            f"`{name}` makes {_doubled(inputs)} of {text(inputs)}, and its skip `{wanted}` leaves {text(shape)}: "
            "name a row that leaves that height and width, or one more, or leave skip out."
        )
    return Skip(wanted, shape)


def up_width(inputs: Shape, skip: Skip, *, bilinear: bool) -> int:
    """What `_` is in an Up: all channels that are put side by side, or those that its transposed convolution takes."""
    return inputs[1] + skip.shape[1] if bilinear else inputs[1]


def require_fit(name: str, in_channels: object, inputs: Shape, skip: Skip, *, bilinear: bool) -> None:
    """Raises EditError unless an Up of so many channels takes tensors of these shapes."""
    width = up_width(inputs, skip, bilinear=bilinear)
    if in_channels != width:
        also = f" and {text(skip.shape)} of `{skip.name}`" if bilinear else ""
        raise EditError(
            f"`{name}` gets {text(inputs)}{also}, so {width} channels, but takes {short(repr(in_channels))}: write `_` "
            "for that number."
        )
    needed = width - width // 2
    if not bilinear and skip.shape[1] != needed:
        raise EditError(
            f"`{name}` makes {width // 2} channels of {width} and takes {needed} from its skip, but `{skip.name}` "
            f"leaves {text(skip.shape)}: write bilinear=True, which takes any number, or change a row before it."
        )


def _newest(name: str, inputs: Shape, outputs: dict[str, Any]) -> Skip:
    """No other row has taken it: an Up leaves what is as large as its skip, and newer."""
    for row, shape in reversed(outputs.items()):
        if _fits(inputs, shape):
            return Skip(row, shape)
    there = ", ".join(dict.fromkeys(map(text, outputs.values()))) or "no row at all"
    raise EditError(
        f"`{name}` makes {_doubled(inputs)} of {text(inputs)}, and no earlier row leaves that height and width, or one "
        f"more, as its skip: there is {short(there)}. Put a row of that size before the one that halves it."
    )


def _fits(inputs: Shape, shape: Any) -> bool:
    """Whether a skip of that shape has twice the height and width, or what pooling had dropped one of."""
    if not is_shape(shape) or len(shape) != 4:
        return False
    return all(other in (2 * size, 2 * size + 1) for size, other in zip(inputs[2:], shape[2:], strict=True))


def _doubled(inputs: Shape) -> str:
    return text(tuple(2 * size for size in inputs[2:]))
