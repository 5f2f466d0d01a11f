"""All of torchvision, not a sample: every model opens, traces, shows its tables, is edited, exported and read back.

What a model cannot do is a row of docs/models.md with the reason; the rows are made here (`make docs`) and
each test compares its own.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.export.base import EXPORTS, export
from modelview.inspect.tables import buffers, modules, parameters
from modelview.recipe import Recipe, structure_of
from modelview.sources.torchvision import Torchvision
from tests.docs import MODELS, model_row
from tests.laws import example, run, trainable
from tests.runner import runner
from tests.zoo import ALL, DETECTION, FLOW, SEGMENTATION, exact, inner, n_parameters

MOST = 60_000_000
"""Parameters up to which `make test` uses real weights; `make sweep` does with all."""

pytestmark = pytest.mark.zoo


@pytest.mark.parametrize("name", ALL)
def test_structure(name: str) -> None:
    recipe = Recipe(Torchvision(name))
    trace = structure_of(recipe).trace
    assert trace.failed is None
    rows = modules(trace)
    assert rows[0].n_parameters == trace.totals.n_parameters == sum(p.numel() for p in trace.model.parameters())
    assert rows[0].macs == trace.totals.macs > 0
    assert [r.path for r in rows] == [p for p, _ in trace.model.named_modules(remove_duplicate=False)]
    assert sum(r.n_elements for r in parameters(recipe) if r.tied_to is None) == trace.totals.n_parameters
    assert [r.path for r in buffers(recipe)] == [p for p, _ in trace.model.named_buffers(remove_duplicate=False)]
    row = model_row(name, inner(recipe))
    assert row in MODELS.read_text(), f"{MODELS} is not up to date; run make docs"
    frozen = recipe.then(Freeze("*"))
    assert frozen.check().after.n_trainable == 0
    if name in FLOW:
        with pytest.raises(EditError, match="no classes"):
            recipe.then(SwapHead(7)).check()
    else:
        assert recipe.then(SwapHead(7)).check().after.n_parameters != trace.totals.n_parameters
    for path in inner(recipe):
        found = next(call.outputs for call in trace.calls if call.path == path)
        assert recipe.then(Truncate(path)).check().output == found


RESIZED = tuple(name for name in DETECTION if not name.startswith("ssd"))
QUICK = (("max_size", 128), ("min_size", 128))
"""Keywords with which detection models resize images to less."""


def small(recipe: Recipe) -> tuple[Any, ...]:
    """An input that is no larger than it needs to be for the values to say something."""
    if recipe.source.title in FLOW:
        shapes: list[tuple[int, ...]] = [(1, 3, 128, 128)] * 2
    elif recipe.source.title in SEGMENTATION:
        shapes = [(1, 3, 96, 96)]
    else:
        shapes = [(*s[:2], min(s[2], 16), *s[3:]) for s in recipe.source.example if len(s) == 5]
    if not shapes:
        return example(recipe, n=1)
    generator = torch.Generator().manual_seed(0)
    return recipe.source.arguments(*(torch.rand(shape, generator=generator) for shape in shapes))


def sizes() -> list[Any]:
    return [pytest.param(n, marks=[pytest.mark.slow] if n_parameters(n) > MOST else []) for n in ALL]


@pytest.mark.parametrize("name", sizes())
def test_real_weights(name: str, tmp_path: Path) -> None:
    plain = Recipe(Torchvision(name, keywords=QUICK if name in RESIZED else ()))
    recipe = plain if name in FLOW else plain.then(SwapHead(7))
    recipe = recipe.then(Freeze("*", except_="*.bias"))
    original = plain.source.load()
    args = small(plain)
    _check_truncations(plain, original, args)
    model = original
    for change in recipe.changes():
        model = change.apply(model)
    model.eval()
    path = export(recipe, "state_dict", tmp_path / "weights.pth", model=model)
    answer = runner().ask(code=recipe.code(), weights=str(path), inputs=args)
    assert answer["keys"] == list(model.state_dict())
    assert answer["requires_grad"] == trainable(model)
    assert exact(answer["outputs"], run(model, args))


def _check_truncations(recipe: Recipe, original: nn.Module, args: tuple[Any, ...]) -> None:
    """Cut at three random modules: equal to the value that a hook saw there, to the last bit."""
    found: dict[str, Tensor] = {}
    paths = inner(recipe)
    handles = [
        original.get_submodule(path).register_forward_hook(
            lambda module, inputs, output, path=path: found.update({path: output.clone()})
        )
        for path in paths
    ]
    run(original, args)
    for handle in handles:
        handle.remove()
    for path in paths:
        change = recipe.then(Truncate(path)).changes()[0]
        cut = change.apply(deepcopy(original)).eval()
        assert torch.equal(run(cut, args), found[path]), path
        assert set(cut.state_dict()) <= set(original.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "swin_t", "googlenet", "mvit_v2_s"])
def test_a_cut_model_is_pickled_whole(name: str, tmp_path: Path) -> None:
    recipe = Recipe(Torchvision(name))
    recipe = recipe.then(Truncate(inner(recipe)[0]))
    assert EXPORTS["module"]().refusal(recipe) is None
    model = recipe.build()
    path = export(recipe, "module", tmp_path / "whole.pth", model=model)
    args = example(recipe, n=1)
    assert exact(runner().ask(module=str(path), inputs=args)["outputs"], run(model, args))
