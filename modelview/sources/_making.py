"""Calling what makes a composed model, on meta or for real, so that every complaint is one sentence."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from modelview.errors import EditError, ModelviewError
from modelview.layers import require_memory
from modelview.meta import building, to_meta
from modelview.names import reason, short
from modelview.sources._construct import _seeding

MOST_CALLS = 50_000
"""How often a constructor may call torch. resnet152's does 5,280 times; that of 10**9 blocks would never end."""
MOST = 2**31 - 1

Make = Callable[[], nn.Module]


def on_meta(what: str, make: Make) -> nn.Module:
    """The structure that `make` makes, in eval mode. Raises EditError, also where this machine could not hold it."""
    with Bounded(what), building():
        model = _called(what, make)
    require_memory(what, sum(p.numel() * p.element_size() for p in model.parameters()))
    return to_meta(model).eval()


def for_real(what: str, make: Make, seed: int) -> nn.Module:
    """The model with random weights from `seed`, in eval mode, on the CPU. Raises EditError as `on_meta`."""
    on_meta(what, make)
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _called(what, make).eval()


def require_number(what: str, value: object) -> None:
    """Raises EditError unless `value` is a whole number from 1 up, of a size that torch can count."""
    if type(value) is not int or value < 1:
        raise EditError(f"{what} is a whole number from 1 up; got {short(repr(value))}.")
    if value > MOST:
        raise EditError(f"{what} is at most {MOST:,}; got {short(repr(value))}.")


def require_flag(what: str, value: object) -> None:
    """Raises EditError unless `value` is True or False."""
    if type(value) is not bool:
        raise EditError(f"{what} is True or False; got {short(repr(value))}.")


def require_known(what: str, given: Mapping[str, object], known: tuple[str, ...]) -> None:
    """Raises EditError for a keyword that is not among the `known` ones."""
    for keyword in given:
        if keyword not in known:
            raise EditError(f"{what} takes no keyword {short(keyword)!r}. It takes {', '.join(known)}.")


def _called(what: str, make: Make) -> nn.Module:
    try:
        return make()
    except ModelviewError:
        raise
    except Exception as error:
        raise EditError(f"{what} cannot be built: {reason(error)}.") from error


class Bounded(TorchFunctionMode):
    """Inside, what calls torch without end is given up with an EditError: `what` has too many layers."""

    def __init__(self, what: str, most: int = MOST_CALLS) -> None:
        super().__init__()
        self._what, self._left = what, most
        self._grad = torch.is_grad_enabled()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        torch.set_grad_enabled(self._grad)  # what leaves no_grad is counted too, and may be what was one too many

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self._left -= 1
        if self._left < 0:
            raise EditError(f"{self._what} has too many layers to be looked at. Choose fewer.")
        return func(*args, **(kwargs or {}))
