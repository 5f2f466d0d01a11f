"""The attribute by which a backbone says how many channels come out, as detection models ask of it: kept true."""

from dataclasses import replace

from torch import nn

from modelview.edits.base import Change
from modelview.edits.changed import changed
from modelview.rewrite import said_out_channels, set_out_channels
from modelview.structure import Structure
from modelview.trace.channels import channel_axis
from modelview.trace.records import Trace
from modelview.trace.shapes import is_shape


def keeping_out_channels(change: Change, before: Structure) -> Change:
    """The change, which also sets `out_channels` where the model had it right and would not have it right any more.

    A head that is put on a backbone leaves the attribute alone: that is no map of features, and nobody asks for it.
    """
    said = said_out_channels(before.model)
    if said is None or said != _width(before.trace):
        return change
    after = changed(before, change)
    width = _width(after.trace)
    is_map = width is not None and len(after.trace.output) > 2
    if width is None or width == said_out_channels(after.model) or not (is_map or width == said):
        return change

    def apply(model: nn.Module) -> nn.Module:
        edited = change.apply(model)
        set_out_channels(edited, width)
        return edited

    code = change.code
    return replace(
        change, apply=apply, code=replace(code, statements=(*code.statements, f"model.out_channels = {width}"))
    )


def _width(trace: Trace) -> int | None:
    """The number of channels that come out; None where no one tensor does."""
    shape = trace.output
    if trace.failed is not None or not is_shape(shape) or len(shape) < 2:
        return None
    return int(shape[channel_axis(trace, trace.ops[-1].inputs[0])])
