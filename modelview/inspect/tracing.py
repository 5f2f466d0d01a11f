"""A trace of a recipe or of any module."""

from typing import Any

from torch import Tensor, nn

from modelview import recipe as recipes
from modelview.errors import EditError
from modelview.recipe import Recipe
from modelview.sources.base import Shape
from modelview.structure import tensor_of
from modelview.trace.records import Trace
from modelview.trace.run import trace_module


def trace(subject: Recipe | nn.Module, *inputs: Tensor | Shape | Any, train: bool = False) -> Trace:
    """One recorded forward pass, in eval mode without gradients; the module is left as it was.

    subject: a recipe (its structure on meta is run, on its own example input unless inputs are given) or a
    module, which is run where it is. inputs: tensors or shapes (N, ...), one for each input.
    train: as in training, where auxiliary heads and batch statistics take part.
    A forward that raises gives a trace whose `failed` says where and why. Raises EditError for bad inputs.
    """
    if isinstance(subject, Recipe):
        return recipes.trace(subject, *inputs, train=train)
    if not inputs:
        raise EditError("A module by itself has no known input: give a tensor or a shape, such as (1, 3, 224, 224).")
    return trace_module(subject, *_placed(subject, inputs), train=train)


def _placed(model: nn.Module, inputs: tuple[Any, ...]) -> list[Any]:
    """Shapes as tensors where the model's own weights are."""
    first = next(model.parameters(), None)
    values = [tensor_of(value) if _is_shape(value) else value for value in inputs]
    if first is None or first.is_meta:
        return values
    return [
        value.new_zeros(value.shape, device=first.device) if isinstance(value, Tensor) and value.is_meta else value
        for value in values
    ]


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(isinstance(size, int) for size in value)
