"""Building a model without memory: every parameter on the meta device, in milliseconds."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from modelview.empties import alike

META = torch.device("meta")

LARGE_GRID = 256
"""From so many points on, a grid of coordinates goes to meta as well: swin3d makes large tables of each."""
_TENSORS = (Tensor, nn.Parameter)  # asked for by type: a value that stands in while a forward is traced has none


@contextmanager
def building() -> Iterator[None]:
    """Inside, whatever makes a parameter makes it on meta: no memory, no random numbers, no waiting.

    Small tensors that a constructor computes with (`arange`, `tensor`, `linspace`) stay on the CPU, so that
    a width may depend on them; `to_meta` moves what is left. Holds for the running thread only.

    >>> with building():
    ...     nn.Linear(10**6, 10**6).weight.device
    device(type='meta')
    """
    with uncollected(), _Building():
        yield


@contextmanager
def uncollected() -> Iterator[None]:
    """Inside, the garbage collector waits: thousands of small objects that stay would set it off again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def to_meta(model: nn.Module) -> nn.Module:
    """`model` itself, with every parameter and buffer that was elsewhere now on meta; ties are kept."""
    moved: dict[Tensor, Tensor] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and not parameter.is_meta:
                if parameter not in moved:
                    moved[parameter] = nn.Parameter(parameter.detach().to(META), parameter.requires_grad)
                module._parameters[name] = moved[parameter]  # type: ignore[assignment]
        for name, buffer in module._buffers.items():
            if buffer is not None and not buffer.is_meta:
                module._buffers[name] = moved.setdefault(buffer, buffer.to(META))
    return model


class _Building(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = kwargs or {}
        if func in _FACTORIES:
            if keywords.get("device") is None and "out" not in keywords:
                return _FACTORIES[func](*args, **{**keywords, "device": META})
        elif func in _FILLS:
            tensor = args[0] if args else keywords.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        elif func is torch.meshgrid:
            grids = func(*args, **keywords)
            return tuple(g.to(META) for g in grids) if grids[0].numel() >= LARGE_GRID else grids
        elif func in _SAME_SHAPE and args and type(args[0]) in _TENSORS and args[0].is_meta:
            return alike(args[0])
        return func(*args, **keywords)


def _empty(*size: Any, generator: object = None, **keywords: Any) -> Tensor:  # noqa: ARG001 - nothing is drawn
    return torch.empty(*size, **keywords)


def _normal(*args: Any, **keywords: Any) -> Tensor:
    """`torch.normal` makes a new tensor where it is given a size; mean and std are tensors otherwise."""
    if len(args) < 3 and "size" not in keywords:
        return torch.normal(*args, **{name: value for name, value in keywords.items() if name != "device"})
    size = args[2] if len(args) > 2 else keywords.pop("size")
    kept = {name: value for name, value in keywords.items() if name not in ("mean", "std", "generator")}
    return torch.empty(size, **kept)


# On meta `zeros` and the like are Python decompositions in torch, ten times slower than `empty`.
_FACTORIES: Mapping[Callable[..., Any], Callable[..., Tensor]] = {
    torch.empty: torch.empty,
    torch.zeros: torch.empty,
    torch.ones: torch.empty,
    torch.rand: _empty,
    torch.randn: _empty,
    torch.full: torch.full,
    torch.normal: _normal,
    torch.empty_strided: torch.empty_strided,
}

# What gives a tensor other values and nothing else: on meta there are none, so it comes back as it is.
_FILLS = frozenset(
    [getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")]
    + [Tensor.zero_, Tensor.fill_, Tensor.uniform_, Tensor.normal_, Tensor.random_, Tensor.erfinv_, Tensor.clamp_]
    + [Tensor.bernoulli_, Tensor.exponential_, Tensor.log_normal_, Tensor.cauchy_, Tensor.geometric_]
)

# Some constructors run their backbone to learn its widths; these are slow on meta and change no shape.
_SAME_SHAPE = frozenset(
    {F.batch_norm, F.hardswish, F.hardsigmoid, F.hardtanh, F.relu, F.relu6, F.silu, F.gelu, F.dropout}
)
