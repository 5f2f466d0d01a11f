"""torchvision's weights by name, and stand-ins for them that leave the network alone."""

from collections.abc import Callable, Mapping
from functools import wraps
from threading import Lock
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import WeightsEnum

from modelview.downloads import fetch, file_name, folder
from modelview.errors import DownloadError, EditError, UnknownName
from modelview.names import short
from modelview.sources._builders import builder, explicit, task
from modelview.sources.base import Progress


def weights_enum(name: str) -> Any:
    """The enum of the weights that the model takes, before quantizing if it is a quantizable one.

    Raises UnknownName.
    """
    found: Any = models.get_model_weights(builder(name))
    return type(found.DEFAULT.meta["unquantized"]) if task(name) == "quantizable" else found


def weights_names(name: str) -> tuple[str, ...]:
    """The names of the weights, aliases such as DEFAULT left out."""
    return tuple(member.name for member in weights_enum(name))


def canonical(name: str, weights: object) -> str | None:
    """The member that `weights` names, DEFAULT resolved. Raises UnknownName, EditError."""
    if weights is None:
        return None
    members = weights_enum(name)
    text = f"{type(weights).__name__}.{weights.name}" if isinstance(weights, WeightsEnum) else weights
    if not isinstance(text, str):
        raise EditError(f"weights is a name such as 'DEFAULT', or None; got {short(repr(weights))}.")
    bare = text.removeprefix(f"{members.__name__}.")
    if bare not in members.__members__:
        known = " and ".join(map(repr, weights_names(name)))
        raise UnknownName(f"{name} has no weights called {short(text)!r}. It has {known}, or 'DEFAULT'.")
    return str(members[bare].name)


def backbone_weights(name: str, weights: object) -> Any:
    """The member that a `weights_backbone` names. Raises EditError."""
    parameter = explicit(name).get("weights_backbone")
    if weights is None or parameter is None:
        return weights
    members = next(a for a in get_args(parameter.annotation) if a is not type(None))
    bare = weights.removeprefix(f"{members.__name__}.") if isinstance(weights, str) else ""
    if bare not in members.__members__:
        known = " and ".join(repr(m.name) for m in members)
        raise EditError(f"The backbone of {name} has no weights called {short(str(weights))!r}. It has {known}.")
    return members[bare]


class Standin:
    """What a builder takes for `member`, but its state_dict comes from `state_dict`, and nowhere else.

    num_classes: pretend that the weights are for so many classes.
    """

    def __init__(
        self, member: Any, state_dict: Callable[[], Mapping[str, Tensor]], num_classes: int | None = None
    ) -> None:
        self._member, self._state_dict, self._num_classes = member, state_dict, num_classes

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # builders check isinstance(weights, ResNet50_Weights)
        return type(self._member)

    def __eq__(self, other: object) -> bool:  # and compare with members, to correct for the older weights
        return other is self or other is self._member

    def __hash__(self) -> int:
        return hash(self._member)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._member, name)

    @property
    def meta(self) -> dict[str, Any]:
        known: dict[str, Any] = self._member.meta
        return known if self._num_classes is None else {**known, "categories": range(self._num_classes)}

    def get_state_dict(self, *_: object, **__: object) -> Mapping[str, Tensor]:
        return self._state_dict()


def downloaded(url: str, progress: Progress | None) -> dict[str, Tensor]:
    """The state_dict at `url`, from torch's cache where it is. Raises DownloadError."""
    path = fetch(url, progress)
    try:
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DownloadError(unfit(url)) from error
    return found


def unfit(url: str) -> str:
    """The sentence for a file in the cache that is not what it should be."""
    return (
        f"{file_name(url)} in {folder()} is damaged or holds something else: delete it and try again, "
        "or go on with random weights (weights=None)."
    )


class _NoWeights(dict[str, Tensor]):
    """A state_dict that every module accepts, once `_teach_modules` was called, and that changes nothing in it."""


def shape_only(member: Any, num_classes: int | None = None) -> Standin:
    """What a builder takes for `member` to build the structure of its model; no file is read."""
    _teach_modules()
    return Standin(member, _NoWeights, num_classes)


_teaching = Lock()


def _teach_modules() -> None:
    """Let `load_state_dict` know `_NoWeights`. It is the only way in: builders call it and then go on changing
    the model. By the type of its argument, so that nobody else's loading, in any thread, is touched.
    """
    with _teaching:
        original = nn.Module.load_state_dict
        if hasattr(original, "knows_no_weights"):
            return

        @wraps(original)
        def load_state_dict(self: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
            if isinstance(state_dict, _NoWeights):
                return nn.modules.module._IncompatibleKeys([], [])
            return original(self, state_dict, *args, **kwargs)

        load_state_dict.knows_no_weights = True  # type: ignore[attr-defined]
        nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
