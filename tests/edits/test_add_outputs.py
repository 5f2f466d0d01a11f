import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import modelview as mv
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.append import Append
from modelview.edits.prefix import Prefix
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe
from tests.edits.subjects import (
    GOOGLENET,
    LRASPP,
    MASKRCNN,
    MOBILENET,
    RAFT,
    REGNET,
    RESNET,
    SHUFFLENET,
    SQUEEZENET,
    SSD,
    SWIN,
    VIT,
    check_refused,
    opened,
    small,
    values,
)
from tests.laws import check_recipe, run
from tests.zoo import exact

CASES = [
    (SQUEEZENET, ("features.0", "features.3.squeeze")),  # both are changed in place by the ReLU that follows
    (MOBILENET, ("features.3.block.0.1", "features.12", "avgpool")),
    (SHUFFLENET, ("stage2.0.branch1.1", "stage3")),
    (REGNET, ("trunk_output.block2", "stem.1")),
    (RESNET, ("layer1.0.relu", "layer4.1.bn2", "fc")),  # one module called twice, one added to in place
    (LRASPP, ("classifier.cbr.1", "backbone.0.1")),
    (SSD, ("backbone.features.0.1.block.0.1", "backbone.extra.0")),
]


WAYS = [("tuple", True), ("tuple", False), ("dict", True), ("dict", False)]


@pytest.mark.parametrize(
    ("recipe", "paths", "form", "keep_final"),
    [
        pytest.param(recipe, paths, form, keep_final, id=f"{recipe.source.title}-{form}-{keep_final}")
        for recipe, paths in CASES
        for form, keep_final in (WAYS if recipe in (RESNET, MOBILENET) else WAYS[::3])
    ],
)
def test_the_values_are_those_that_a_hook_sees(
    recipe: Recipe, paths: tuple[str, ...], form: str, keep_final: bool
) -> None:
    original, args = recipe.build(), small(recipe)
    built = check_recipe(recipe.then(AddOutputs(paths, form=form, keep_final=keep_final)), inputs=args)
    ours, final = run(built, args), run(original, args)
    hooked = {path: values(original, path, args) for path in paths}
    if form == "tuple":
        assert exact(ours, (final, *hooked.values()) if keep_final else tuple(hooked.values()))
    else:
        own = final if isinstance(final, dict) else {"out": final}
        assert exact(dict(ours), {**own, **hooked} if keep_final else hooked)


@pytest.mark.parametrize("path", ["features.0", "features.3.squeeze"])
def test_the_comparison_can_fail(path: str) -> None:
    recipe = SQUEEZENET.then(AddOutputs(path))
    built, args = recipe.build(), small(SQUEEZENET)
    with torch.no_grad():
        built.get_submodule(path).weight[0, 0, 0, 0] += 1e-3  # type: ignore[index, operator]
    assert not torch.equal(run(built, args)[1], values(SQUEEZENET.build(), path, args))


@pytest.mark.long
@pytest.mark.parametrize(
    ("recipe", "edits"),
    [
        (RESNET, [AddOutputs("layer1"), AddOutputs("layer2")]),
        (RESNET, [AddOutputs("layer1", form="dict"), AddOutputs("layer2", form="dict"), SwapHead(3)]),
        (RESNET, [Append((("fc1", "Linear(1000, 10)"),), style="wrap"), AddOutputs("net")]),
        (RESNET, [AddOutputs("layer1"), Truncate("layer3"), AddOutputs("layer2", keep_final=False)]),
    ],
)
def test_with_others(recipe: Recipe, edits: list[Any]) -> None:
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "edits"),
    [
        (RESNET, [AddOutputs("layer1"), AddOutputs(("layer2", "layer3"))]),
        (RESNET, [AddOutputs("layer1"), Prefix("module."), AddOutputs(("module.layer2", "module.layer3"))]),
        (SSD, [AddOutputs("backbone.features.0.0"), AddOutputs(("backbone.features.0.1", "backbone.extra.0"))]),
    ],
    ids=["traced", "inside another", "with hooks"],
)
def test_a_tuple_takes_them_in(recipe: Recipe, edits: list[Any]) -> None:
    """The final output stays one value, be it a list: (out, a, b), not ((out, a), b)."""
    first, last = recipe.then(edits[0]), recipe
    for edit in edits:
        last = last.then(edit)
    args = small(recipe)
    ours, theirs = run(check_recipe(last, inputs=args), args), run(first.build(), args)
    paths = (path.removeprefix("module.") for path in edits[-1].paths)
    assert exact(ours, (*theirs, *(values(recipe.build(), path, args) for path in paths)))
    note = "The model returns a tuple already: what is added comes after its 2 values."
    assert last.changes()[-1].notes[0] == note
    assert note not in first.changes()[0].notes


def test_only_these_are_returned_where_a_tuple_came_before() -> None:
    recipe = RESNET.then(AddOutputs("layer1")).then(AddOutputs(("layer2",), keep_final=False))
    assert recipe.check().output == ((1, 128, 28, 28),)
    check_recipe(recipe, inputs=small(RESNET))
    named = RESNET.then(AddOutputs("layer1")).then(AddOutputs("layer2", form="dict"))
    assert list(named.check().output) == ["out", "layer2"]


@pytest.mark.parametrize(
    ("recipe", "path", "shape"),
    [
        (VIT, "conv_proj", (1, 768, 14, 14)),
        (VIT, "encoder.layers.encoder_layer_3", (1, 197, 768)),
        (SWIN, "features.1", (1, 56, 56, 96)),
        (GOOGLENET, "inception4a", (1, 512, 14, 14)),
    ],
)
def test_on_meta(recipe: Recipe, path: str, shape: tuple[int, ...]) -> None:
    assert recipe.then(AddOutputs(path)).check().output == ((1, 1000), shape)
    assert recipe.then(AddOutputs(path, keep_final=False)).check().output == (shape,)


@pytest.mark.long
def test_keys_may_be_anything_that_says_something() -> None:
    """Names of the written code's own variables among them."""
    names = ("x", "values", "torch", "a.b")
    paths = ("backbone.features.0.0", "backbone.features.0.1", "backbone.features.0.2", "backbone.features.0.3")
    check_recipe(SSD.then(AddOutputs(paths, names, "dict")), inputs=small(SSD))
    check_recipe(RESNET.then(AddOutputs(("layer1", "layer2", "layer3", "layer4"), names, "dict", keep_final=False)))
    assert list(RESNET.then(AddOutputs("layer1", "low", "dict")).check().output) == ["out", "low"]


NETS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        if x.mean() < 1:  # which no graph can hold
            x = x + 1
        return {"out": self.fc(x.mean((2, 3))), "mean": x.mean((2, 3))}
"""


TUPLES = """
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Pair(NamedTuple):
    out: Tensor
    mean: Tensor


class Net(nn.Module):
    def __init__(self, kind="tuple"):
        super().__init__()
        self.kind, self.inner = kind, Inner()

    def forward(self, x):
        out, mean = self.inner(x)
        return {"tuple": (out, mean), "list": [out, mean], "pair": Pair(out, mean)}[self.kind]


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        return self.fc(x.mean((2, 3))), x.mean((2, 3))
"""


@pytest.mark.parametrize(("kind", "n_values"), [("tuple", 3), ("list", 2), ("pair", 2)])
def test_only_a_plain_tuple_takes_them_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, n_values: int
) -> None:
    """A list, or a tuple whose values have names, is one value as it was."""
    (tmp_path / "tuples_of_this_test.py").write_text(TUPLES)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = mv.open("tuples_of_this_test:Net", input=(1, 3, 8, 8), kind=kind).then(AddOutputs("inner.conv"))
    model, x = recipe.build(), torch.rand(2, 3, 8, 8)
    output = run(model, (x,))
    assert len(output) == n_values
    assert torch.equal(output[-1], values(model, "inner.conv", (x,)))
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.code(), scope)
    again = scope["build_model"]().eval()
    again.load_state_dict(model.state_dict())
    assert exact(run(again, (x,)), output)
    sys.modules.pop("tuples_of_this_test")


def test_a_dict_takes_them_in_where_the_forward_runs_with_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets_of_this_test.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = mv.open("nets_of_this_test:Net", input=(1, 3, 8, 8)).then(AddOutputs("conv", form="dict"))
    assert recipe.check().output == {"out": (1, 2), "mean": (1, 4), "conv": (1, 4, 8, 8)}
    model, x = recipe.build(), torch.rand(2, 3, 8, 8)
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(recipe.code(), scope)
    again = scope["build_model"]().eval()
    again.load_state_dict(model.state_dict())
    assert exact(run(again, (x,)), run(model, (x,)))
    assert torch.equal(run(model, (x,))["conv"], values(model, "conv", (x,)))
    sys.modules.pop("nets_of_this_test")


def test_what_it_says() -> None:
    change = RESNET.then(AddOutputs(("layer1.0.relu", "layer2"))).changes()[0]
    assert change.summary == "output, layer1.0.relu, layer2"
    assert change.notes == (
        "`layer1.0.relu`: 1 × 64 × 56 × 56, 64 channels, 1/4 of the input's width. "
        "The last of its 2 calls is returned.",
        "`layer2`: 1 × 128 × 28 × 28, 128 channels, 1/8 of the input's width.",
    )
    (last,) = SWIN.then(AddOutputs("features.3")).changes()[0].notes
    assert last == "`features.3`: 1 × 28 × 28 × 192, 192 channels, 1/8 of the input's width."
    (uneven,) = opened("inception_v3").then(AddOutputs("Mixed_5b")).changes()[0].notes
    assert uneven == "`Mixed_5b`: 1 × 256 × 35 × 35, 256 channels."  # of 299
    assert RESNET.then(AddOutputs("layer1")).categories() == RESNET.categories()
    assert RESNET.then(AddOutputs("layer1", keep_final=False)).categories() == ()


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"paths": ()}, "Choose at least one module whose output is to be returned."),
        (RESNET, {"paths": "layer9"}, "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
        (RESNET, {"paths": ""}, "This edit needs a module inside the model, not the whole of it."),
        (RESNET, {"paths": ("layer1", "layer1")}, "`layer1` stands twice among the outputs; each is returned once."),
        (GOOGLENET, {"paths": "aux1"}, "`aux1` is never called, so it has no value."),
        (
            VIT,
            {"paths": "encoder.layers.encoder_layer_0.self_attention.out_proj"},
            "`encoder.layers.encoder_layer_0.self_attention.out_proj` is never called, so it has no value.",
        ),
        (
            MASKRCNN,
            {"paths": "roi_heads.box_head"},
            "`roi_heads.box_head` returns 10 × 1024 for one input, so its items are not the input's. Choose another",
        ),
        (RAFT, {"paths": "feature_encoder"}, "`feature_encoder` returns 2 × 128 × 65 × 120 for one input, so its"),
        (
            RESNET,
            {"paths": "layer1", "names": ("a", "b")},
            "There are 2 names for 1 module; give each its own.",
        ),
        (
            RESNET,
            {"paths": ("layer1", "layer2"), "names": ("a", "a")},
            "Two outputs would be called 'a'; choose other names.",
        ),
        (RESNET, {"paths": "layer1", "names": ("out",), "form": "dict"}, "Two outputs would be called 'out'; choose"),
        (LRASPP, {"paths": "classifier.cbr", "names": "out", "form": "dict"}, "Two outputs would be called 'out';"),
        (RESNET, {"paths": "layer1", "names": ("",)}, "The name of an output is a text that says something, such as"),
        (
            RESNET,
            {"paths": "layer1", "names": (5,), "form": "dict"},
            "Add outputs: `names` is a list, each a text; got",
        ),
        (RESNET, {"paths": "layer1", "form": "list"}, "No form is called 'list'. Did you mean 'tuple' or 'dict'?"),
        (RESNET, {"paths": "layer1", "form": None}, "Add outputs: `form` is a text; got None."),
        (RESNET, {"paths": "layer1", "keep_final": 1}, "Add outputs: `keep_final` is True or False; got 1."),
        (RESNET, {"paths": 5}, "This takes paths of modules, such as layer1; got 5."),
        (RESNET, {"paths": (5,)}, "Add outputs: `paths` is a list, each a text; got (5,)."),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, AddOutputs, fields, message)


@pytest.mark.parametrize(
    ("field", "value"), [("paths", "layer1"), ("names", [5]), ("form", 5), ("keep_final", "no"), ("keep_final", 1)]
)
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    content = json.loads(RESNET.then(AddOutputs("layer1")).to_json())
    content["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(content))
