"""The attribute by which a backbone says how many channels come out, as detection models ask of it: kept true."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd

from modelview.edits.base import Change
from modelview.meta import building, to_meta
from modelview.rewrite import remember
from modelview.structure import Structure, tensor_of
from modelview.trace.channels import channel_axis
from modelview.trace.records import Trace
from modelview.trace.run import trace_module
from modelview.trace.shapes import is_shape


def keeping_out_channels(change: Change, before: Structure) -> Change:
    """The change, which also sets `out_channels` where the model had it right and would not have it right any more.

    A head that is put on a backbone leaves the attribute alone: that is no map of features, and nobody asks for it.
    """
    said = _said(before.model)
    if said is None or said != _width(before.trace):
        return change
    with building():
        made = change.apply(deepcopy(before.model))
    trace = trace_module(to_meta(made).eval(), *before.source.taken(*map(tensor_of, change.example or before.example)))
    width = _width(trace)
    if width is None or width == _said(made) or (width != said and len(trace.output) < 3):
        return change

    def apply(model: nn.Module) -> nn.Module:
        edited = change.apply(model)
        remember(edited, "out_channels", width)
        return edited

    code = change.code
    return replace(
        change, apply=apply, code=replace(code, statements=(*code.statements, f"model.out_channels = {width}"))
    )


def _said(model: nn.Module) -> int | None:
    """A convolution has the attribute for itself."""
    value: Any = getattr(model, "out_channels", None)
    return value if type(value) is int and not isinstance(model, _ConvNd) else None


def _width(trace: Trace) -> int | None:
    """The number of channels that come out; None where no one tensor does."""
    shape = trace.output
    if trace.failed is not None or not is_shape(shape) or len(shape) < 2:
        return None
    return int(shape[channel_axis(trace, trace.ops[-1].inputs[0])])
