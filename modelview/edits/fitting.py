"""Layers that take the width that comes, found in one pass in which each takes it as it is called."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from modelview.edits.base import Change
from modelview.edits.changed import changed
from modelview.edits.refitting import as_text
from modelview.errors import EditError
from modelview.layers import KNOWN, Layer, plain_kind, written
from modelview.structure import Structure
from modelview.trace.run import materialised

_NORMS = ("BatchNorm", "InstanceNorm", "FrozenBatchNorm", "GroupNorm", "LayerNorm", "RMSNorm")


def fitted_behind(before: Structure, change: Change) -> tuple[Structure, dict[str, Layer]]:
    """The model with the change, in which every plain layer takes the width that comes to it, and those layers.

    A Linear or a convolution makes as many channels as it did; a norm, or a convolution of each channel by itself,
    as many as come. What gets the width that it had stays as it is. The trace has failed where no width could be
    chosen. The layers are by their paths in it, in the order in which they run.
    """
    after = changed(before, change)
    fitter = _Fitter()
    handles = [
        module.register_forward_pre_hook(partial(fitter.meet, path))
        for path, module in after.model.named_modules()
        if next(module.children(), None) is None
    ]
    after.trace  # noqa: B018 - the pass in which they are met
    for handle in handles:
        handle.remove()
    return after, fitter.layers


class _Fitter:
    """Sees each call before it is made, and gives a layer another width at its first."""

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}
        self._met: set[int] = set()

    def meet(self, path: str, module: nn.Module, args: Any) -> None:
        if id(module) in self._met or not args or not isinstance(args[0], Tensor):
            return
        self._met.add(id(module))
        try:
            layer = with_inputs(path, module, tuple(args[0].shape))
            if layer is None:
                return
            made = layer.planned()
        except EditError:  # the pass ends there, with the reason
            return
        become(module, made if args[0].is_meta else materialised(made))
        self.layers[path] = layer


def become(module: nn.Module, other: nn.Module) -> None:
    """Have the module hold the parameters, buffers and settings of another of its class; hooks and mode stay."""
    common = vars(nn.Module()).keys() - {"_parameters", "_buffers"}
    module.__dict__.update({name: value for name, value in vars(other).items() if name not in common})


def with_inputs(path: str, module: nn.Module, shape: tuple[int, ...]) -> Layer | None:
    """The layer for what has this shape; None where it takes that, or is none of which the width is known.

    Raises EditError for one that cannot be made anew from its text.
    """
    kind, layer = type(module).__name__, None
    if isinstance(module, nn.Linear):
        if shape and shape[-1] != module.in_features:
            layer = as_text(path, module).with_widths((1, shape[-1]), (1, module.out_features))
    elif isinstance(module, nn.modules.conv._ConvNd):
        if len(shape) == module.weight.dim() and shape[1] != module.in_channels:
            layer = _convolution(_text(path, module), module, shape[1])
    elif kind.startswith(_NORMS) and len(shape) > 1:
        layer = as_text(path, module).with_widths(shape, shape)
        layer = None if layer == as_text(path, module) else layer
    return layer


def _text(path: str, module: nn.Module) -> Layer:
    """The layer as text; of the class that it stands on, where its own has no forward of its own."""
    kind = plain_kind(module)
    inherits = kind and type(module).forward is KNOWN[kind].forward
    return Layer(written(module, kind)) if inherits and type(module) is not KNOWN[kind] else as_text(path, module)


def _convolution(layer: Layer, module: Any, channels: int) -> Layer | None:
    """The convolution for other channels; one of each channel by itself makes as many for each as it did."""
    outputs = module.out_channels
    if module.groups == module.in_channels > 1:
        name, args, kwargs = layer.parts()
        layer = Layer.called(name, args, {**kwargs, "groups": channels})
        outputs = outputs // module.in_channels * channels
    return layer.with_widths((1, channels), (1, outputs))
