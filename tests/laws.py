"""What holds for every edit and every recipe, checked the same way for each."""

from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from modelview.export.base import export
from modelview.recipe import Recipe, trace
from modelview.sources.base import Shape
from tests.runner import runner
from tests.zoo import exact

torch.set_num_threads(1)  # as in the runner: sums of floats depend on how they are split


def example(recipe: Recipe, n: int = 2, shapes: Iterable[Shape] = ()) -> tuple[Any, ...]:
    """Random arguments of the recipe's example shapes, or of others, with a batch of `n`."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.rand(n, *shape[1:], generator=generator) for shape in shapes or recipe.example]
    return recipe.source.taken(*tensors)


def pictures_of(recipe: Recipe, sides: tuple[int, ...]) -> tuple[Any, ...]:
    """Two of each input, with these sides where an edit has not given them others; added inputs as they are.

    Where an edit has made it a model for its own sides, such as by flattening, it gets these.
    """
    own = zip_longest(recipe.example, recipe.source.example[: len(recipe.example)])
    shapes = [(*shape[:2], *sides) if before and shape[2:] == before[2:] else shape for shape, before in own]
    return example(recipe, shapes=shapes if trace(recipe, *shapes).failed is None else recipe.example)


def run(model: nn.Module, args: tuple[Any, ...]) -> Any:
    with torch.no_grad():
        return model(*args)


def trainable(model: nn.Module) -> dict[str, bool]:
    return {name: parameter.requires_grad for name, parameter in model.named_parameters()}


def kinds(model: nn.Module) -> list[tuple[str, str]]:
    """By name: each fx.GraphModule has a class of its own."""
    return [(path, type(module).__name__) for path, module in model.named_modules()]


def assert_same_values(a: nn.Module, b: nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert list(ours) == list(theirs)
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    assert trainable(a) == trainable(b)


def check_recipe(recipe: Recipe, *, inputs: tuple[Any, ...] | None = None) -> nn.Module:
    """The laws of a recipe that can be built; the built model is returned.

    The exported code, where modelview cannot be imported, gives the same keys, outputs and trainable set once
    the exported file is loaded; replay is exact; JSON round-trips; the structure on meta is what is built.
    """
    check = recipe.check()
    built = recipe.build()
    assert_same_values(built, recipe.build())
    assert Recipe.from_json(recipe.to_json()) == recipe
    structure = recipe.structure()
    assert {k: (v.shape, v.dtype) for k, v in structure.state_dict().items()} == {
        k: (v.shape, v.dtype) for k, v in built.state_dict().items()
    }
    assert trainable(structure) == trainable(built)
    assert kinds(structure) == kinds(built)
    assert all(tensor.is_meta for tensor in structure.state_dict().values())
    args = example(recipe) if inputs is None else inputs
    outputs = run(built, args)
    with TemporaryDirectory() as folder:
        weights = export(recipe, "state_dict", Path(folder) / "weights.pth", model=built)
        answer = runner().ask(code=recipe.code(), weights=str(weights), inputs=args)
    assert answer["keys"] == list(built.state_dict())
    assert answer["requires_grad"] == trainable(built)
    assert answer["out_channels"] == getattr(built, "out_channels", None)
    assert exact(answer["outputs"], outputs)
    if isinstance(outputs, Tensor) and inputs is None:
        assert tuple(outputs.shape[1:]) == tuple(check.output[1:])
    return built


def check_undo(recipe: Recipe) -> None:
    """Undo restores, all the way, and is total."""
    for count in range(len(recipe.edits), 0, -1):
        assert len(recipe.edits) == count
        recipe = recipe.undo()
    assert recipe.undo() == recipe
