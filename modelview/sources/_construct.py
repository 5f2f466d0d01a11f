"""Calling a torchvision builder, on meta or for real, so that every complaint is one sentence."""

from collections.abc import Mapping
from functools import partial
from threading import RLock
from typing import Any

import torch
from torch import nn

from modelview.errors import DownloadError, EditError, ModelviewError
from modelview.layers import require_memory
from modelview.meta import building, to_meta
from modelview.names import reason, short
from modelview.sources._builders import builder, quietly, refused_keyword, without_backbone
from modelview.sources._keywords import not_taken, refuse_ignored
from modelview.sources._weights import (
    Standin,
    backbone_weights,
    downloaded,
    shape_only,
    unfit,
    weights_enum,
)
from modelview.sources.base import Progress

_seeding = RLock()  # the generator that a seed is set on belongs to all threads


def on_meta(name: str, weights: str | None, keywords: Mapping[str, Any], num_classes: int | None = None) -> nn.Module:
    """The model's structure, in eval mode, as `weights` shape it.

    num_classes: for another number of classes than that of the weights. Raises EditError.
    """
    given = {**keywords}
    if weights is None and num_classes is not None:
        given["num_classes"] = num_classes
    standin = None
    if weights is not None:
        standin = shape_only(weights_enum(name)[weights], num_classes)
    if given.get("weights_backbone") is not None:
        given["weights_backbone"] = shape_only(backbone_weights(name, given["weights_backbone"]))
    refuse_ignored(name, keywords)
    with building():
        model = _called(name, standin, {**quietly(name, init=False), **given}, keywords)
    return to_meta(model).eval()


def for_real(
    name: str, weights: str | None, keywords: Mapping[str, Any], seed: int, progress: Progress | None
) -> nn.Module:
    """The model with weights, in eval mode, on the CPU; what is random comes from `seed`.

    Raises EditError, and DownloadError where weights cannot be fetched.
    """
    size = sum(p.numel() * p.element_size() for p in on_meta(name, weights, keywords).parameters())
    require_memory(_call(name, keywords), size)
    given, standin = {**keywords}, None
    if weights is not None:
        standin = _fetched(weights_enum(name)[weights], progress)
    if given.get("weights_backbone") is not None:
        given["weights_backbone"] = _fetched(backbone_weights(name, given["weights_backbone"]), progress)
    init = {} if weights is not None else quietly(name, init=True)
    with _seeding, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return _called(name, standin, {**init, **given}, keywords).eval()
        except EditError as error:
            if standin is None:
                raise
            raise DownloadError(unfit(standin.url)) from error


def _fetched(member: Any, progress: Progress | None) -> Standin:
    state_dict = downloaded(member.url, progress)  # before the lock and the building: it is what takes time
    return Standin(member, partial(dict, state_dict))


def _called(name: str, weights: object, given: Mapping[str, Any], said: Mapping[str, Any]) -> nn.Module:
    try:
        return builder(name)(weights=weights, **{**without_backbone(name), **given})
    except ModelviewError:
        raise
    except TypeError as error:
        keyword = refused_keyword(error)
        if keyword in said:
            raise not_taken(name, str(keyword)) from error
        raise _cannot(name, said, error) from error
    except Exception as error:
        raise _cannot(name, said, error) from error


def _cannot(name: str, said: Mapping[str, Any], error: Exception) -> EditError:
    return EditError(f"torchvision cannot build {_call(name, said)}: {reason(error)}.")


def _call(name: str, said: Mapping[str, Any]) -> str:
    return short(f"{name}({', '.join(f'{k}={v!r}' for k, v in said.items())})")
