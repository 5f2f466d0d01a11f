"""Rows as they run, one after the other: the widths that each gets and the shape that it leaves."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from modelview.errors import EditError, ModelviewError
from modelview.names import short
from modelview.sources._parts import Models, Part
from modelview.sources._skips import chosen
from modelview.sources.base import Shape
from modelview.trace.run import trace_module
from modelview.trace.shapes import is_shape, text

Rows = tuple[tuple[str, str], ...]
"""(name, layer) each."""


@dataclass(frozen=True)
class Step:
    """One row as it runs: its name, the layer with its widths, and the shape that comes out, or why it cannot run.

    skip: the earlier row whose output it takes too; "" for most.
    """

    name: str
    layer: str
    output: Any = None
    refused: str = ""
    skip: str = ""


@lru_cache(maxsize=256)
def steps(rows: Rows, input: Shape, blocks: Models = (), container: str = "sequential") -> tuple[Step, ...]:
    """What each row does to the shape that the one before it leaves, up to the first that cannot run.

    Raises EditError for an input that is no shape with N = 1.
    """
    require_shape(input)
    found: list[Step] = []
    for name, (_, layer) in zip(names(rows), rows, strict=True):
        try:
            part = Part(layer.strip(), blocks)
            if part.takes_skip and container == "sequential":
                raise EditError(
                    f"`{name}` takes the output of an earlier row as its skip, and an nn.Sequential passes one value "
                    "on: choose a ModuleDict or a ModuleList, whose forward can keep it."
                )
            found.append(_step(name, part, found[-1].output if found else input, found))
        except ModelviewError as error:
            return (*found, Step(name, layer, refused=str(error)))
    return tuple(found)


def names(rows: Rows) -> list[str]:
    """The name of each row in its container: its own, or its position."""
    return [name or str(number) for number, (name, _) in enumerate(rows)]


def require_shape(shape: object) -> None:
    """Raises EditError for what is no shape with N = 1."""
    sizes = shape if isinstance(shape, tuple) else ()
    if not sizes or sizes[0] != 1 or not all(type(size) is int and size > 0 for size in sizes):
        raise EditError(f"input is a shape with N = 1 first, such as (1, 3, 224, 224); got {short(repr(shape))}.")


class _Row(nn.Module):
    """Calls its one child, so that what is said of it has the row's name."""

    def forward(self, *tensors: Tensor) -> Any:
        (child,) = self.children()
        return child(*tensors)


def _step(name: str, part: Part, shape: Any, before: list[Step]) -> Step:
    """Raises EditError where the layer cannot be made or does not take the shape."""
    if not is_shape(shape):
        raise EditError(f"`{name}` takes one tensor, and the layer before it returns {text(shape)}.")
    inputs, skipped = [_tensor(shape)], ""
    if part.takes_skip:
        part, wanted = part.skip_apart()
        outputs = {step.name: step.output for step in before}
        skip = chosen(name, wanted, shape, outputs)
        part, skipped = part.fitted_with(name, shape, skip), skip.name
        inputs.append(_tensor(skip.shape))
    else:
        part = part.fitted(shape)
    module = part.structure()
    for own, parameter in module.named_parameters():
        if not parameter.numel():
            raise EditError(
                f"{part.text} has a {own} of {text(tuple(parameter.shape))}: every width is a whole number from 1 up."
            )
    holder = _Row()
    holder._modules[name] = module  # under any name: whether it can have this one is asked elsewhere
    trace = trace_module(holder, *inputs)
    if trace.failed is not None:
        raise EditError(trace.failed.sentence)
    return Step(name, part.text, trace.output, skip=skipped)


def _tensor(shape: Shape) -> Tensor:
    try:
        return torch.empty(shape, device="meta")
    except RuntimeError as error:
        raise EditError(f"No tensor can have the shape {text(shape)}: it is too large.") from error
