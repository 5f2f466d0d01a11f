"""The classes that a pickled model may be rebuilt of: torch's layers and torchvision's own, by their exact names."""

import sys
from functools import lru_cache, partial
from typing import Any

import torchvision
from torch import nn

_PACKAGES = (
    *("torch.nn.modules.", "torchvision.models.", "torchvision.ops."),
    *("torch.ao.nn.quantized.modules.", "torch.ao.quantization.stubs."),
)
_HELPERS = tuple(
    f"torchvision.models.detection._utils.{name}"
    for name in ("BoxCoder", "BoxLinearCoder", "Matcher", "SSDMatcher", "BalancedPositiveNegativeSampler")
)
_FUNCTIONS = (
    *("torchvision.ops.boxes.box_iou", "torchvision.models.optical_flow.raft._pass_through_h"),
    *("torch.nn.functional.relu", "torch._C._nn.gelu"),
)
"""What torch's and torchvision's modules keep as attributes: five small classes of plain numbers, four functions."""

PARTIAL = "functools.partial"


@lru_cache(maxsize=1)
def module_classes() -> dict[str, type[nn.Module]]:
    """Every class of torch.nn and torchvision that is a module, by "module.Class"."""
    assert torchvision.models
    found: dict[str, type[nn.Module]] = {}
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(_PACKAGES):
            for value in list(vars(module).values()):
                if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == name:
                    found[f"{name}.{value.__qualname__}"] = value
    return found


def helper(name: str) -> Any:
    """One of torchvision's small classes by its full name, None for every other name."""
    return _found(name) if name in _HELPERS else None


def named(name: str) -> Any:
    """A class or function that may stand as a value of a module, None for every other name."""
    return _found(name) if name in _FUNCTIONS else module_classes().get(name)


def _found(name: str) -> Any:
    module, _, own = name.rpartition(".")
    return getattr(sys.modules[module], own)


def bound(cls: Any, keywords: dict[str, Any]) -> Any:
    """functools.partial of one of the classes, as torchvision keeps its normalisation layers."""
    return partial(cls, **keywords)
