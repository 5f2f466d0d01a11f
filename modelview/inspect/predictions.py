"""What a classifier says."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from modelview.edits.load_weights import LoadWeights
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision, weights_view


@dataclass(frozen=True)
class Prediction:
    """One class, its name where it has one, and its probability for the batch's first item."""

    index: int
    name: str
    probability: float


def top(output: Any, names: tuple[str, ...] = (), k: int = 5) -> list[Prediction]:
    """The `k` likeliest classes of scores (N, classes), best first; none for any other output.

    Scores become probabilities by softmax, unless they are some already. names: used where there is one a class.
    """
    if not isinstance(output, Tensor) or output.dim() != 2 or output.shape[1] < 2:
        return []
    if not output.is_floating_point() or not output[0].isfinite().all():
        return []
    scores = output[0].double()
    ready = bool((scores >= 0).all()) and abs(scores.sum().item() - 1) < 1e-3
    values, indices = (scores if ready else torch.softmax(scores, 0)).topk(min(k, len(scores)))
    known = names if len(names) == len(scores) else ()
    pairs = zip(indices.tolist(), values.tolist(), strict=True)
    return [Prediction(i, known[i] if known else "", p) for i, p in pairs]


def caveat(recipe: Recipe) -> str:
    """Why a prediction says nothing about its input; "" where it does."""
    loaded = any(isinstance(edit, LoadWeights) for edit in recipe.edits)
    seeded = getattr(recipe.source, "seed", None) is not None and getattr(recipe.source, "weights", None) is None
    if seeded and not loaded:
        return "The weights are random, so this says nothing about the input."
    if structure_of(recipe).untrained:
        return "The head is new and has not been trained, so this says nothing about the input."
    return ""


def class_names(recipe: Recipe) -> tuple[str, ...]:
    """Names of the classes: the weights' own, or the default weights' where they are random; () after a new head."""
    if names := recipe.categories():
        return names
    source = recipe.source
    if not isinstance(source, Torchvision) or structure_of(recipe).heads is not None:
        return ()
    if source.weights is None:
        if any(name == "num_classes" for name, _ in source.keywords):
            return ()
        source = replace(source, weights="DEFAULT", keywords=())
    view = weights_view(source)
    return view.categories if view is not None else ()
