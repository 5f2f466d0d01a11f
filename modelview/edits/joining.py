"""Two values made one: along the channels, the second brought to the shape of the first."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from modelview.errors import EditError
from modelview.rewrite import Hand
from modelview.sources.base import Shape
from modelview.trace.shapes import text


@dataclass(frozen=True)
class Join:
    """How a value of shape `extra`, (N, k) or with as many axes, is concatenated with one of shape `value`.

    axis: where the value's channels are. A vector is repeated at every position, a map of another size resized.
    Raises EditError for shapes that cannot be joined.
    """

    value: Shape
    axis: int
    extra: Shape

    def __post_init__(self) -> None:
        same = len(self.extra) == len(self.value)
        if len(self.extra) != 2 and not same:
            raise EditError(
                f"A value of shape {text(self.value)} is joined with (N, k), or with one of as many axes; "
                f"the new input is {text(self.extra)}."
            )
        if same and self._positions(self.extra) != self._positions(self.value) and not self._can_resize:
            raise EditError(
                f"The new input, {text(self.extra)}, has other positions than {text(self.value)}, and only maps with "
                "channels first can be resized."
            )

    @property
    def width(self) -> int:
        """The channels of both."""
        return self.value[self.axis] + self.extra[1 if len(self.extra) == 2 else self.axis]

    @property
    def spreads(self) -> bool:
        """Whether the second is a vector that is repeated at every position."""
        return len(self.extra) != len(self.value)

    @property
    def _can_resize(self) -> bool:
        return self.axis == 1 and 2 < len(self.value) <= 5

    def _positions(self, shape: Shape) -> Shape:
        return tuple(size for axis, size in enumerate(shape) if axis not in (0, self.axis))

    def sentence(self, name: str) -> str:
        """What is done to the new input."""
        if self.spreads:
            return f"`{name}` is repeated at every position of {text(self.value)}."
        if self._positions(self.extra) != self._positions(self.value):
            return f"`{name}` is resized to the positions of {text(self.value)}."
        return f"`{name}` is joined with {text(self.value)} as it is."

    def drawn(self, hand: Hand, value: Any, extra: Any) -> Any:
        """The concatenation."""
        return hand.function(torch.cat, [value, self._fitted(hand, value, extra)], dim=self.axis)

    def _fitted(self, hand: Hand, value: Any, extra: Any) -> Any:
        dims = len(self.value)
        others = [axis for axis in range(1, dims) if axis != self.axis]
        if self.spreads:
            ones = [-1 if axis in (0, self.axis) else 1 for axis in range(dims)]
            ones[self.axis] = self.extra[1]
            spread = hand.inside(hand.method("reshape", extra, *ones))
            sizes = [hand.method("size", value, axis) if axis in others else -1 for axis in range(dims)]
            return hand.method("expand", spread, *sizes)
        if self._positions(self.extra) != self._positions(self.value):
            size = tuple(hand.method("size", value, axis) for axis in others)
            return hand.function(F.interpolate, extra, size=size)
        return extra

    def projection(self, width: int) -> str:
        """The text of the layer that makes `width` channels of the joined value."""
        if self.axis == 1 and 2 < len(self.value) <= 5:
            return f"Conv{len(self.value) - 2}d({self.width}, {width}, kernel_size=1)"
        if self.axis != len(self.value) - 1:
            raise EditError(
                f"No layer is known that takes {text(self.value)} to other channels; choose another module."
            )
        return f"Linear({self.width}, {width})"
