"""Where a recorded pass runs: on meta where shapes suffice, else on the CPU with cheap values."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from modelview.trace.record import record
from modelview.trace.records import Trace

SMALL_SIDE = 128
N_PROPOSALS = 10


def trace_module(model: nn.Module, *args: Any, train: bool = False) -> Trace:
    """One recorded pass of `model(*args)` in eval mode (or train), without gradients; `model` stays as it was.

    A model on meta runs there. Where its forward needs values (`nonzero`, NMS), a copy with cheap values
    runs on the CPU instead, and detection models with a small image and few proposals; `note` says so.
    A forward that raises gives a trace with `failed` set and all calls up to there.
    """
    if not _on_meta(model):
        return record(model, args, train=train)
    if not any(isinstance(module, GeneralizedRCNNTransform) for module in model.modules()):
        try:
            return record(model, _moved(args, "meta"), train=train, fatal=_needs_values)
        except Exception as error:
            if not _needs_values(error):
                raise
    copy = materialised(model)
    with quick(copy) as note:
        return record(copy, _moved(args, "cpu"), train=train, note=note, owner=model)


def _on_meta(model: nn.Module) -> bool:
    first: Tensor | None = next(model.parameters(), None)
    if first is None:
        first = next(model.buffers(), None)
    return first is None or first.is_meta


def _needs_values(error: Exception) -> bool:
    """Whether an op failed for want of values rather than for a wrong shape."""
    text = str(error)
    return isinstance(error, NotImplementedError) or "meta tensor" in text or "Meta" in text or "data-dependent" in text


def _moved(value: Any, device: str) -> Any:
    """`value` with its tensors on `device`: emptied on meta, noise on the CPU where there were no values."""
    if isinstance(value, Tensor):
        if device == "meta":
            return value.detach() if value.is_meta else torch.empty_like(value, device="meta")
        return torch.full_like(value, 0.5, device="cpu") if value.is_meta else value
    if isinstance(value, tuple | list):
        return type(value)(_moved(item, device) for item in value)
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    return value


def materialised(model: nn.Module) -> nn.Module:
    """A copy on the CPU whose weights cost next to nothing: zeros, and ones for variances and scales.

    Modules are copied, what else they hold is shared; setting an attribute of the copy leaves the model as it is.
    """
    modules = list(model.modules())
    values: dict[int, Tensor] = {}
    for module in modules:
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None and id(tensor) not in values:
                values[id(tensor)] = _filled(name, tensor) if tensor.is_meta else tensor
    twins: dict[int, nn.Module] = {}
    for module in modules:
        twin = twins[id(module)] = object.__new__(type(module))  # a GraphModule's own makes one more class
        for key, value in vars(module).items():  # dicts are copied, or a hook on the one would be on the other
            twin.__dict__[key] = value.copy() if isinstance(value, dict) else value
    for twin in twins.values():
        held: Iterable[dict[str, Any]] = (twin._parameters, twin._buffers)
        for tensors in held:
            tensors.update({name: values[id(t)] for name, t in tensors.items() if t is not None})
        twin._modules.update({name: twins[id(m)] for name, m in twin._modules.items() if m is not None})
    return twins[id(model)]


def _filled(name: str, tensor: Tensor) -> Tensor:
    one = name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight"))
    values = (torch.ones if one else torch.zeros)(tensor.shape, dtype=tensor.dtype)
    return nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values


@contextmanager
def quick(model: nn.Module) -> Iterator[str]:
    """Let torchvision's detectors run on a small image with few proposals; the note says what was done.

    Alters `model`, which is a copy made to be run once.
    """
    notes = ["run on the CPU, since its forward needs values"]
    for module in model.modules():
        if isinstance(module, GeneralizedRCNNTransform):
            if module.fixed_size is None:
                module.min_size, module.max_size = (SMALL_SIDE,), SMALL_SIDE
                notes.append(f"images resized to {SMALL_SIDE} pixels")
        elif isinstance(module, RegionProposalNetwork):
            module._pre_nms_top_n = module._post_nms_top_n = {"training": N_PROPOSALS, "testing": N_PROPOSALS}
            notes.append(f"{N_PROPOSALS} proposals")
        elif isinstance(module, RoIHeads):
            module.score_thresh = -1.0
            module.detections_per_img = N_PROPOSALS
        elif isinstance(module, FCOS | RetinaNet | SSD):
            module.topk_candidates = module.detections_per_img = N_PROPOSALS
            notes.append(f"{N_PROPOSALS} candidates a level")
    yield "; ".join(notes)
