"""Modules that return dicts, lists and tuples: their gradient cut, and their values returned."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import modelview as mv
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.base import Edit
from modelview.edits.detach import Detach
from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.recipe import Recipe
from modelview.trace.shapes import tensors
from tests.edits import own_code
from tests.edits.subjects import LRASPP, MASKRCNN, RAFT, SSD, VIT, check_refused, opened, small
from tests.laws import check_recipe, run
from tests.zoo import exact

pytestmark = pytest.mark.long

NETS = """
from collections import namedtuple

import torch
from torch import nn

Two = namedtuple("Two", "one other")


class Pair(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.a, self.b, self.kind = nn.Linear(8, 8), nn.Linear(8, 8), kind

    def forward(self, x):
        a, b = torch.relu(self.a(x)), self.b(x)
        return {"named": Two(a, b), "list": [a, b], "deep": {"a": (a, None), "b": [b, 3]}}[self.kind]


class Tagger(nn.Module):
    def __init__(self, recurrent):
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.rnn = getattr(nn, recurrent)(8, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        output, state = self.rnn(self.embed(x))
        last = state[0] if isinstance(state, tuple) else state
        return self.head(output[:, -1] + last[-1])


class Branched(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.stem, self.pair, self.head, self.kind = nn.Linear(8, 8), Pair(kind), nn.Linear(8, 3), kind

    def forward(self, x):
        pair = self.pair(self.stem(x))
        if self.kind == "deep":
            return self.head(pair["a"][0] + pair["b"][0])
        if self.kind == "named":
            return self.head(pair.one + pair.other)
        return self.head(sum(pair))


def tagger(recurrent="GRU"):
    return Tagger(recurrent)


def branched(kind="list"):
    return Branched(kind)
"""
LAYER = "encoder.layers.encoder_layer_0.self_attention"
DEEPLAB = opened("deeplabv3_mobilenet_v3_large")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module of somebody's own, which the process that runs exported code finds as well."""
    folder = tmp_path_factory.mktemp("collected")
    own_code.write(folder, "collected_nets", NETS)
    return folder


@pytest.fixture
def nets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_code.allow_anew(folder, monkeypatch)


def gradients(model: Any, args: tuple[Any, ...]) -> set[str]:
    """Names of the parameters that get a gradient from all that is returned and can have one."""
    found = [value for value in tensors(model(*args)) if value.requires_grad]
    total = torch.stack([value.double().sum() for value in found]).sum()
    total.backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize(
    ("recipe", "path", "line"),
    [
        (DEEPLAB, "backbone", 'self.classifier(features["out"].detach())'),
        (LRASPP, "backbone", '("low", features["low"].detach()), ("high", features["high"].detach())'),
    ],
    ids=["deeplab", "lraspp"],
)
def test_a_dict_is_cut_off(recipe: Recipe, path: str, line: str) -> None:
    cut = recipe.then(Detach(path))
    built = check_recipe(cut, inputs=small(recipe))
    assert line in cut.code()
    assert exact(run(built, small(recipe)), run(recipe.build(), small(recipe)))
    found = gradients(built, small(recipe))
    assert found
    assert not {name for name in found if name.startswith("backbone.")}


@pytest.mark.long
@pytest.mark.parametrize("recipe", [SSD, mv.open("fasterrcnn_mobilenet_v3_large_320_fpn", min_size=64, max_size=64)])
def test_a_detector_s_backbone_is_cut_off_by_a_hook(recipe: Recipe) -> None:
    cut = recipe.then(Detach("backbone"))
    check_recipe(cut, inputs=small(recipe))
    assert 'OrderedDict([\n                ("0", output["0"].detach()),' in cut.code()
    rows = {row.name: row for row in mv.gradients(cut) if row.what == "parameter"}
    assert not any(row.gradient for name, row in rows.items() if name.startswith("backbone."))
    assert any(row.gradient for row in rows.values())


def test_the_kind_of_a_dict_stays() -> None:
    kinds: list[type] = []
    built = SSD.then(Detach("backbone")).build()
    built.get_submodule("head").register_forward_pre_hook(lambda _, args: kinds.append(type(args[0])))
    caught: list[Any] = []
    built.get_submodule("backbone").register_forward_hook(lambda *given: caught.append(given[-1]))
    run(built, small(SSD))
    assert type(caught[0]) is OrderedDict


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("recurrent", ["GRU", "LSTM"])
def test_what_a_recurrent_layer_returns(recurrent: str) -> None:
    recipe = mv.open("collected_nets:tagger", recurrent=recurrent, input=(1, 5, 8))
    cut = recipe.then(Detach("rnn"))
    built = check_recipe(cut)
    assert gradients(built, (torch.rand(2, 5, 8),)) == {"head.weight", "head.bias"}
    both = recipe.then(AddOutputs(("rnn", "embed"), form="dict"))
    final = run(check_recipe(both), (torch.rand(2, 5, 8),))
    assert list(final) == ["out", "rnn", "embed"]
    assert [tuple(value.shape) for value in tensors(final["rnn"])][:2] == [(2, 5, 8), (1, 2, 8)]


@pytest.mark.usefixtures("nets")
@pytest.mark.parametrize("kind", ["list", "named", "deep"])
@pytest.mark.parametrize(
    "edits", [(Detach("pair"),), (AddOutputs(("pair",)),), (AddOutputs(("pair",)), Detach("pair"))]
)
def test_collections_of_every_kind(kind: str, edits: tuple[Edit, ...]) -> None:
    recipe = mv.open("collected_nets:branched", kind=kind, input=(1, 8))
    built = check_recipe(Recipe(recipe.source, edits))
    before = run(recipe.build(), (torch.ones(2, 8),))
    after = run(built, (torch.ones(2, 8),))
    assert torch.equal(next(tensors(after)), before)
    if isinstance(edits[-1], Detach):
        model = Recipe(recipe.source, edits[-1:]).build()
        assert gradients(model, (torch.ones(2, 8),)) == {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    ("recipe", "path", "form", "note"),
    [
        (DEEPLAB, "backbone", "dict", "`backbone`: out: 1 × 960 × 33 × 33."),
        (LRASPP, "backbone", "tuple", "`backbone`: low: 1 × 40 × 65 × 65, high: 1 × 960 × 33 × 33."),
    ],
    ids=["deeplab", "lraspp"],
)
def test_a_dict_is_returned_too(recipe: Recipe, path: str, form: str, note: str) -> None:
    more = recipe.then(AddOutputs((path,), form=form))
    assert more.changes()[0].notes[-1].startswith(note[:24])
    after = run(check_recipe(more, inputs=small(recipe)), small(recipe))
    own, added = (after["out"], after[path]) if form == "dict" else (after[0]["out"], after[1])
    assert torch.equal(own, run(recipe.build(), small(recipe))["out"])
    assert all(isinstance(value, Tensor) for value in added.values())


@pytest.mark.long
def test_a_detector_s_features_are_returned_too() -> None:
    more = SSD.then(AddOutputs(("backbone",), names=("features",), form="dict"))
    after = run(check_recipe(more, inputs=small(SSD)), small(SSD))
    assert list(after) == ["out", "features"]
    assert list(after["features"]) == ["0", "1", "2", "3", "4", "5"]
    assert [proof.what for proof in more.proofs()[0]] == ["the final output", "`backbone`"]


def test_on_meta() -> None:
    assert VIT.then(Detach(LAYER)).check().output == (1, 1000)
    assert VIT.then(AddOutputs((LAYER,))).check().output == ((1, 1000), ((1, 197, 768), None))
    assert RAFT.then(Detach("update_block")).check().output == RAFT.check().output
    mvit = opened("mvit_v1_b")
    assert mvit.then(Detach("blocks.3")).check().output == (1, 400)
    assert "x, thw = self.blocks[3](x, thw)\n        x = x.detach()" in mvit.then(Detach("blocks.3")).code()


def test_with_others() -> None:
    recipe = LRASPP
    for edit in (SwapHead(3), Detach("backbone"), Freeze("backbone"), AddOutputs(("backbone",), form="dict")):
        recipe = recipe.then(edit)
    after = run(check_recipe(recipe, inputs=small(LRASPP)), small(LRASPP))
    assert after["out"].shape[1] == 3


@pytest.mark.parametrize("kind", [Detach, AddOutputs])
@pytest.mark.parametrize(
    ("recipe", "path", "message"),
    [
        (
            SSD,
            "transform",
            "`transform` returns (1 × 3 × 320 × 320, –); this needs tensors, or a dict, list or tuple of",
        ),
        (
            MASKRCNN,
            "roi_heads",
            "`roi_heads` returns ((boxes: 10 × 4, labels: 10, scores: 10, masks: 10 × 1 × 28 × 28),",
        ),
        (MASKRCNN, "rpn", "`rpn` returns ((10 × 4), ), an entry for each picture. Choose a module before it."),
    ],
)
def test_refusals(kind: type[Edit], recipe: Recipe, path: str, message: str) -> None:
    check_refused(recipe, kind, {"path": path} if kind is Detach else {"paths": (path,)}, message)


def test_what_needs_one_tensor_says_what_comes_out() -> None:
    check_refused(SSD, mv.FuseStages, {"paths": ("backbone",)}, "`backbone` returns 0: 1 × 672 × 20 × 20, 1:")
    check_refused(LRASPP, mv.AddInput, {"at": "backbone"}, "`backbone` returns low: 1 × 40 × 65 × 65, high:")
