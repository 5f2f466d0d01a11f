"""Why a module could not take its input, as one sentence with the layer, the shapes and the remedy."""

import re
from typing import Any

from torch import nn

from modelview.errors import EditError
from modelview.layers import Layer, plain_kind, written
from modelview.names import reason
from modelview.trace.shapes import is_shape, text
from modelview.wording import counted

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_OF_ONE_TENSOR = (*_CONVOLUTIONS, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.Identity, nn.Sequential)


def sentence(path: str, module: nn.Module, inputs: Any, error: Exception) -> str:
    """What went wrong at `path`, in words; torch's own words where nothing better is known."""
    name = f"`{path}`" if path else "The model"
    if is_shape(inputs) and (known := _known(name, module, inputs)):
        return known
    kind = type(module).__name__
    lacking = re.fullmatch(r"'(\w+)' object has no attribute '(\w+)'", str(error))
    is_slip = lacking is not None and next(module.children(), None) is None
    if isinstance(inputs, tuple | dict) and not is_shape(inputs) and (is_slip or isinstance(module, _OF_ONE_TENSOR)):
        return f"{name} ({kind}) takes one tensor, but gets {text(inputs)}."
    if lacking is not None:
        return (
            f"{name} ({kind}) could not take {text(inputs)}: its forward asks for {lacking[2]!r}, which "
            f"what stands there ({lacking[1]}) does not have. Put something of the same kind there."
        )
    said = _number_of_inputs(kind, str(error)) or _unlike(str(error)) or reason(error)
    return f"{name} ({kind}) could not take {text(inputs)}: {said}."


def _number_of_inputs(kind: str, said: str) -> str:
    """What Python says of a forward that was given too few or too many inputs, put otherwise; "" for anything else."""
    if missing := re.fullmatch(rf"{kind}\.forward\(\) missing \d+ required positional arguments?: (.*)", said):
        return f"its forward also takes {missing[1]}"
    if given := re.fullmatch(rf"{kind}\.forward\(\) takes (?:from \d+ to )?(\d+) .* but (\d+) were given", said):
        takes, got = int(given[1]) - 1, int(given[2]) - 1  # Python counts the module as well
        return f"its forward takes {counted(takes, 'input')}, not {got}"
    return ""


def _unlike(said: str) -> str:
    """What torch says of two tensors that are to be joined and do not fit, put otherwise; "" for anything else."""
    if shapes := re.search(
        r"broadcast a dimension .* had torch\.Size\(\[(.*?)\]\); .* broadcastable to \[(.*?)\]", said
    ):
        one, other = (text(tuple(map(int, shape.split(",")))) for shape in shapes.groups())
        return f"it joins {one} to {other}, which do not fit together"
    if sizes := re.search(
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at .*dimension (\d+)", said
    ):
        return f"it joins two values that have {sizes[1]} and {sizes[2]} in dimension {sizes[3]}, where they must agree"
    return ""


def _known(name: str, module: nn.Module, shape: tuple[int, ...]) -> str | None:
    got = f"{name} gets {text(shape)}"
    if isinstance(module, _CONVOLUTIONS):
        return _convolution(name, got, module, shape)
    if isinstance(module, nn.Linear) and shape and shape[-1] != module.in_features:
        wanted = module.in_features
        return (
            f"{got}, so {shape[-1]} features, but takes {wanted}: replace it with "
            f"Linear({shape[-1]}, {module.out_features}), or put a Linear({shape[-1]}, {wanted}) before it."
        )
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and len(shape) > 1 and shape[1] != module.num_features:
        kind, wanted = plain_kind(module), module.num_features
        return f"{got}, so {counted(shape[1], 'channel')}, but takes {wanted}: replace it with {kind}({shape[1]})."
    return None


def _for_channels(kind: str, module: Any, channels: int) -> str:
    """The convolution for other channels, as it can be typed; in groups only where they can be shared out."""
    outputs = module.out_channels
    try:
        name, args, kwargs = Layer(written(module, kind)).parts()
    except EditError:  # such as padding="same", which torch does not write as text
        return f"{kind}({channels}, {outputs}, kernel_size={module.kernel_size})"
    if channels % module.groups:
        del kwargs["groups"]
    return Layer.called(name, [channels, outputs, *args[2:]], kwargs).text


def _convolution(name: str, got: str, module: Any, shape: tuple[int, ...]) -> str | None:
    dims = len(module.kernel_size)
    kind = plain_kind(module)
    if len(shape) not in (dims + 1, dims + 2):
        return f"{got}, but {kind} takes {dims + 2} dimensions (N, C, {', '.join('DHW'[-dims:])})."
    channels = shape[-dims - 1]
    if channels != module.in_channels:
        ones = "1" if dims == 1 else " × ".join("1" * dims)
        return (
            f"{name} gets {counted(channels, 'channel')} but takes {module.in_channels}: insert a {ones} "
            f"{kind}({channels}, {module.in_channels}) before it, or replace it with "
            f"{_for_channels(kind, module, channels)}."
        )
    sizes = shape[-dims:]
    if all(isinstance(p, int) for p in module.padding):
        pairs = zip(sizes, module.padding, module.kernel_size, module.dilation, strict=True)
        if any(size + 2 * pad < step * (kernel - 1) + 1 for size, pad, kernel, step in pairs):
            return f"{got}, smaller than its kernel of {text(tuple(module.kernel_size))}: use a larger input."
    return None
