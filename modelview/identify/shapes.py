"""Of a model, what an index keeps."""

from collections.abc import Mapping

from torch import nn

from modelview.identify.index import Growth, Shape

UNCOUNTED = "num_batches_tracked"
"""The end of the names of batch counters, which old files and frozen batch-norm have not."""


def shapes(model: nn.Module) -> dict[str, Shape]:
    """Of everything in its state_dict but batch counters."""
    state = model.state_dict().items()
    return {name: tuple(value.shape) for name, value in state if not name.endswith(UNCOUNTED)}


def own_number(tensors: Mapping[str, Shape], growths: Mapping[str, Growth]) -> int | None:
    """The number of classes, or of channels, that tensors of these shapes are for; None where none follows it."""
    return next((growth.number(tensors[name], tensors[name]) for name, growth in growths.items()), None)
