"""Stored values made to fit a tensor of another shape, where that has one meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor
from torch.nn import functional

from modelview.wording import counted

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Adaptation:
    """How values of one shape become those of another. note: what is done, in words.

    code: statements that do the same to a tensor {new}, given {old}; empty where nobody writes them.
    """

    note: str
    apply: Callable[[Tensor], Tensor]
    code: tuple[str, ...] = ()
    takes_rows: bool = False


def adaptation(name: str, theirs: Shape, ours: Shape, *, stem: bool, classes: tuple[int, ...]) -> Adaptation | None:
    """How a stored tensor becomes the model's, None where that could mean several things.

    stem: whether it is the weight of a convolution that sees the input. classes: rows of the stored head, one for
    each class of the model, in order; () where none were chosen.
    """
    if classes and theirs[1:] == ours[1:] and len(classes) == ours[0] and max(classes) < theirs[0]:
        rows = list(classes)
        note = f"{len(rows):,} of {theirs[0]:,} class rows taken"
        return Adaptation(note, lambda values: values[rows], takes_rows=True)
    if stem and len(theirs) == len(ours) > 2 and (theirs[0], *theirs[2:]) == (ours[0], *ours[2:]):
        return _channels(theirs[1], ours[1])
    if name.rpartition(".")[2] in ("pos_embedding", "pos_embed") and len(theirs) == len(ours) == 3:
        return _positions(theirs, ours)
    return None


def _channels(theirs: int, ours: int) -> Adaptation | None:
    """Weights of a stem (O, C, ...) for other channels: the outputs on the same picture stay as they were."""
    if (theirs, ours) in ((3, 1), (1, 3)):
        return spread(theirs, ours)
    return kept_with_zeros(theirs, ours) if theirs == 3 and ours > 3 else None


def spread(theirs: int, ours: int) -> Adaptation:
    """Every channel weighs the same, together as much as before: right for channels that are alike."""
    if ours == 1:
        note = f"the {theirs} channels added up, so that a grey picture gives what it gave in {theirs} equal ones"
        return Adaptation(note, lambda w: w.sum(1, keepdim=True), ("{new}.copy_({old}.sum(1, keepdim=True))",))
    return Adaptation(
        f"every channel the mean of the {theirs}, times {theirs}/{ours}",
        lambda w: (w.mean(1, keepdim=True) * theirs / ours).repeat_interleave(ours, dim=1),
        (f"{{new}}.copy_({{old}}.mean(1, keepdim=True) * {theirs} / {ours})",),
    )


def kept_with_zeros(theirs: int, ours: int) -> Adaptation:
    """The channels as they were, and further ones that weigh nothing until they are trained."""
    return Adaptation(
        f"{counted(theirs, 'channel')} kept, {ours - theirs} new with zeros",
        lambda w: torch.cat([w, torch.zeros_like(w[:, :1]).repeat_interleave(ours - theirs, dim=1)], dim=1),
        (f"{{new}}[:, :{theirs}] = {{old}}", f"{{new}}[:, {theirs}:] = 0"),
    )


def kept_with_copies(theirs: int, ours: int) -> Adaptation:
    """The channels as they were, and further ones that begin as copies of them in turn."""
    more = ours - theirs
    copied = f"[:, :{more}]" if more < theirs else "" if more == theirs else f"[:, torch.arange({more}) % {theirs}]"
    return Adaptation(
        f"{counted(theirs, 'channel')} kept, {more} new as copies of them in turn",
        lambda w: w[:, torch.arange(ours) % theirs],
        (f"{{new}}[:, :{theirs}] = {{old}}", f"{{new}}[:, {theirs}:] = {{old}}{copied}"),
    )


def first_channels(theirs: int, ours: int) -> Adaptation:
    """The first of the channels as they were, the others gone."""
    return Adaptation(
        f"the first {ours} of {theirs} channels kept", lambda w: w[:, :ours], (f"{{new}}.copy_({{old}}[:, :{ours}])",)
    )


def positions(before: int, after: int) -> Adaptation:
    """Position embeddings (1, 1 + side², D) for another side, interpolated as torchvision does (bicubic)."""

    def interpolated(values: Tensor) -> Tensor:
        token, grid = values[:, :1], values[:, 1:]
        picture = grid.transpose(1, 2).reshape(values.shape[0], -1, before, before)
        resized = functional.interpolate(picture, size=after, mode="bicubic", align_corners=True)
        return torch.cat([token, resized.flatten(2).transpose(1, 2)], dim=1)

    return Adaptation(
        f"position embeddings interpolated from {before} × {before} to {after} × {after}",
        interpolated,
        (
            f"grid = {{old}}[:, 1:].transpose(1, 2).unflatten(2, ({before}, {before}))",
            f'grid = nn.functional.interpolate(grid, size={after}, mode="bicubic", align_corners=True)',
            "{new} = nn.Parameter(torch.cat([{old}[:, :1], grid.flatten(2).transpose(1, 2)], dim=1))",
        ),
    )


def _positions(theirs: Shape, ours: Shape) -> Adaptation | None:
    """The same for stored position embeddings, where both shapes are those of a square and a class token."""
    before, after = isqrt(max(theirs[1] - 1, 0)), isqrt(max(ours[1] - 1, 0))
    if (theirs[0], theirs[2]) != (ours[0], ours[2]) or min(before, after) < 1:
        return None
    if before**2 + 1 != theirs[1] or after**2 + 1 != ours[1]:
        return None
    return positions(before, after)
