"""Containers of rows: widths filled in, the order that runs, and every way in which rows are wrong."""

import time
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

import modelview as mv
from modelview.errors import EditError, UnknownName
from modelview.sources.composed import Composed, composed, steps
from tests.laws import check_recipe

LAYERS = ("Conv2d(_, 6, 5)", "ReLU()", "MaxPool2d(2)", "Flatten()", "Linear(_, 10)")
NAMED = tuple(zip(("conv", "relu", "pool", "flat", "fc"), LAYERS, strict=True))
BLOCKS = (
    ("inc", "DoubleConv(_, 8)"),
    ("down", "Down(_, 16)"),
    ("same", "BasicBlock(_, 16)"),
    ("basic", "BasicBlock(_, 32, 2)"),
    ("wide", "Bottleneck(_, 16)"),
    ("bottle", "Bottleneck(_, 8)"),
    ("outc", "OutConv(_, 2)"),
)
IMAGE = (1, 1, 28, 28)


@pytest.mark.parametrize(
    ("container", "rows", "first"),
    [
        ("sequential", LAYERS, "0.weight"),
        ("sequential", NAMED, "conv.weight"),
        ("sequential", (("conv", LAYERS[0]), *LAYERS[1:]), "conv.weight"),
        ("sequential", (('a layer\'s "name"', "Conv2d(1, 2, 3, padding='same')"),), 'a layer\'s "name".weight'),
        ("sequential", ("Permute((0, 2, 3, 1))", "LayerNorm(1)"), "1.weight"),
        ("modulelist", LAYERS, "layers.0.weight"),
        ("moduledict", dict(NAMED), "layers.conv.weight"),
        ("sequential", BLOCKS, "inc.double_conv.0.weight"),
        ("modulelist", [layer for _, layer in BLOCKS], "layers.0.double_conv.0.weight"),
        ("moduledict", BLOCKS, "layers.inc.double_conv.0.weight"),
        ("sequential", ["GroupNorm(1, _)", "Dropout(0.5)", "Identity()"], "0.weight"),
    ],
)
def test_laws(container: str, rows: Any, first: str) -> None:
    built = check_recipe(mv.open(f"modelview:{container}", rows=rows, input=IMAGE))
    assert next(iter(built.state_dict())) == first


@pytest.mark.parametrize(
    ("made", "value"),
    [
        ({"rows": ["ReLU()"]}, (("", "ReLU()"),)),
        ({"rows": [("0", " ReLU() ")]}, (("", "ReLU()"),)),
        ({"rows": [["act", mv.Layer("ReLU()")]]}, (("act", "ReLU()"),)),
        ({"rows": {"act": mv.Layer("ReLU()")}}, (("act", "ReLU()"),)),
    ],
)
def test_one_value_for_one_meaning(made: dict[str, Any], value: Any) -> None:
    source = composed("sequential", **made, input=list(IMAGE))
    assert source == Composed("sequential", value, IMAGE)
    assert hash(source) == hash(Composed("sequential", value, IMAGE))


@pytest.mark.parametrize(
    ("rows", "shape", "filled"),
    [
        (("Conv2d(_, 8, 3)", "BatchNorm2d(_)"), (1, 3, 9, 9), ("Conv2d(3, 8, 3)", "BatchNorm2d(8)")),
        (("Conv2d(in_channels=_, out_channels=_, kernel_size=1)",), (1, 3, 9, 9), None),
        (("Linear(_, _)",), (1, 5, 7), ("Linear(7, 7)",)),
        (("Conv1d(_, 4, 3)",), (1, 5, 7), ("Conv1d(5, 4, 3)",)),
        (("LSTM(_, 4)",), (1, 5, 7), ("LSTM(7, 4)",)),
        (("TransformerEncoderLayer(_, 2)",), (1, 5, 8), ("TransformerEncoderLayer(8, 2)",)),
        (("DoubleConv(_, 4, mid_channels=_)",), (1, 3, 9, 9), ("DoubleConv(3, 4, mid_channels=3)",)),
    ],
)
def test_what_comes_in_is_filled_in(rows: Any, shape: Any, filled: Any) -> None:
    found = steps(tuple(("", row) for row in rows), shape)
    assert not any(step.refused for step in found)
    wanted = filled or ("Conv2d(in_channels=3, out_channels=3, kernel_size=1)",)
    assert tuple(step.layer for step in found) == wanted


def test_what_comes_out_of_each_row() -> None:
    found = steps(tuple(("", row) for row in LAYERS), IMAGE)
    assert [step.output for step in found] == [(1, 6, 24, 24), (1, 6, 24, 24), (1, 6, 12, 12), (1, 864), (1, 10)]
    stopped = steps((("a", "ReLU()"), ("b", "Linear(5, 2)"), ("c", "ReLU()")), IMAGE)
    assert [step.name for step in stopped] == ["a", "b"]
    assert "`b` gets 1 × 1 × 28 × 28, so 28 features, but takes 5" in stopped[1].refused


def test_how_it_runs_is_said() -> None:
    said = [composed(kind, rows=NAMED, input=IMAGE).running for kind in ("sequential", "moduledict")]
    said.append(composed("modulelist", rows=LAYERS, input=IMAGE).running)
    assert said == [
        "A Sequential runs its layers in this order: `conv`, `relu`, `pool`, `flat`, `fc`.",
        "A ModuleDict alone has no forward. A small module holds this one as `layers`; its forward runs them in the "
        "stored order: `conv`, `relu`, `pool`, `flat`, `fc`.",
        "A ModuleList alone has no forward. A small module holds this one as `layers`; its forward runs them in the "
        "stored order: `0`, `1`, `2`, `3`, `4`.",
    ]


def test_shortcuts_are_torchvision_s() -> None:
    built = composed("sequential", rows=BLOCKS, input=(1, 3, 32, 32)).structure()
    shortcuts = [name for name, _ in built.named_modules() if name.endswith("downsample")]
    assert shortcuts == ["basic.downsample", "wide.downsample", "bottle.downsample"]
    assert repr(built.get_submodule("basic.downsample")) == repr(
        nn.Sequential(nn.Conv2d(16, 32, 1, 2, bias=False), nn.BatchNorm2d(32))
    )


@pytest.mark.parametrize("container", ["sequential", "modulelist", "moduledict"])
def test_edits_go_on_it(container: str) -> None:
    rows = LAYERS if container == "modulelist" else NAMED
    recipe = mv.open(f"modelview:{container}", rows=rows, input=IMAGE)
    head, first = list(recipe.structure().state_dict())[-1].rpartition(".")[0], "layers." * (container != "sequential")
    swapped = recipe.then(mv.SwapHead(3))
    assert swapped.changes()[0].summary == f"{head} → Linear(864, 3)"
    check_recipe(swapped)
    second = f"{first}{'2' if container == 'modulelist' else 'pool'}"
    check_recipe(recipe.then(mv.Truncate(second)))  # type: ignore[arg-type]
    check_recipe(recipe.then(mv.Freeze(second.replace("2", "0").replace("pool", "conv"))))


def test_the_code_is_what_a_person_writes() -> None:
    code = mv.open("modelview:sequential", rows=NAMED[-2:], input=(1, 2, 3)).code()
    assert '    model = nn.Sequential(OrderedDict([("flat", nn.Flatten()), ("fc", nn.Linear(6, 10))]))\n' in code
    code = mv.open("modelview:modulelist", rows=["ReLU()", "OutConv(_, 2)"]).code()
    assert "    model = LayerList([nn.ReLU(), OutConv(3, 2)])\n" in code
    assert code.index("class OutConv") < code.index("class LayerList") < code.index("def build_model")


def test_equal_rows_and_seeds_give_equal_weights() -> None:
    plain = nn.Sequential(OrderedDict([("conv", nn.Conv2d(1, 6, 5)), ("fc", nn.Linear(24, 10))]))
    rows = (("conv", "Conv2d(1, 6, 5)"), ("fc", "Linear(24, 10)"))
    built = composed("sequential", rows=rows, input=IMAGE, seed=3).load()
    assert repr(built) == repr(plain.eval())
    again, other = (composed("sequential", rows=rows, input=IMAGE, seed=s).load().state_dict() for s in (3, 4))
    assert all(torch.equal(value, again[name]) for name, value in built.state_dict().items())
    assert not torch.equal(built.state_dict()["fc.weight"], other["fc.weight"])


@pytest.mark.parametrize(
    ("container", "rows", "message"),
    [
        ("sequential", [], "There are no rows: a container needs at least one layer."),
        ("sequential", {}, "There are no rows: a container needs at least one layer."),
        ("sequential", ["ReLU()"] * 1001, "There are 1,001 rows; a container of more than 1,000 cannot be looked at."),
        ("sequential", "ReLU()", "rows is a list such as [('conv1', 'Conv2d(3, 64, 7)')]; got 'ReLU()'."),
        ("sequential", None, "rows is a list such as"),
        ("sequential", [3], "Row 1 is (name, layer), two texts; got ('', 3)."),
        ("sequential", [("a", "ReLU()", 1)], "Row 1 is (name, layer), two texts; got ('a', 'ReLU()', 1)."),
        ("sequential", ["ReLU()", ("a", " ")], "Row 2 has no layer: give one, such as Conv2d(_, 64, 7), or leave"),
        ("sequential", [("a", "ReLU()"), ("a", "ReLU()")], "Row 2 has the name 'a' of row 1: choose another."),
        ("sequential", [("1", "ReLU()"), "ReLU()"], "Row 2 has the name '1' of row 1: choose another."),
        (
            "sequential",
            [("a.b", "ReLU()")],
            "Row 1: 'a.b' has a dot, and dots join names in a state_dict; write 'a_b'.",
        ),
        ("sequential", [("forward", "ReLU()")], "'forward' is something that every Sequential has already; choose"),
        ("moduledict", [("keys", "ReLU()")], "'keys' is something that every ModuleDict has already; choose another."),
        ("moduledict", ["ReLU()"], "Row 1 needs a name: a ModuleDict finds its layers by name."),
        ("modulelist", [("a", "ReLU()")], "Row 1: a ModuleList numbers its layers; leave 'a' out."),
        ("sequential", ["Conv3(3, 8, 3)"], "Row 1: No layer or block is called 'Conv3'. Did you mean 'Conv3d' or"),
        ("sequential", ["ReLU()", "DoubleCon(3, 8)"], "Row 2: No layer or block is called 'DoubleCon'. Did you mean"),
        ("sequential", ["ModuleList()"], "Row 1: No layer class is called 'ModuleList'."),
        (
            "sequential",
            ["LazyLinear(8)"],
            "Row 1: LazyLinear has no width before its first batch: write Linear with `_`",
        ),
        (
            "sequential",
            ["__import__('os').system('true')"],
            "Row 1: A layer is a class called with plain values on one",
        ),
        ("sequential", ["ReLU"], "Row 1: Write ReLU as a call: ReLU(...)."),
        ("sequential", ["ReLU()  # x"], "A layer is a class called with plain values on one line"),
        ("sequential", ["ReLU(\n)"], "A layer is a class called with plain values on one line"),
        ("sequential", ["DoubleConv(x, 8)"], "Row 1: A layer is a class called with plain values on one line"),
        ("sequential", ["Conv2d([_], 8, 3)"], "A layer is a torch.nn class called with plain values"),
        ("sequential", ["Conv2d(3, 8)"], "Row 1: Conv2d also needs 'kernel_size'."),
        (
            "sequential",
            ["Bottleneck(_)"],
            "Row 1: Bottleneck also needs 'planes'.",
        ),
        ("sequential", ["Bottleneck(_, 'a')"], "Row 1: Bottleneck does not take these arguments:"),
        (
            "sequential",
            ["Conv2d(_, 0, 3)"],
            "Conv2d(3, 0, 3) has a weight of 0 × 3 × 3 × 3: every width is a whole numb",
        ),
        ("sequential", ["DoubleConv(_, 0)"], "has a double_conv.0.weight of 0 × 3 × 3 × 3"),
        ("sequential", ["Conv2d(_, -8, 3)"], "Row 1: Conv2d does not take these arguments:"),
        (
            "sequential",
            ["Conv2d(_, 99999999999999, 3)"],
            "Row 1: Conv2d(3, 99999999999999, 3) would take 11,200,000 GB of",
        ),
        (
            "sequential",
            ["Conv2d(4, 8, 3)"],
            "Row 1: `0` gets 3 channels but takes 4: insert a 1 × 1 Conv2d(3, 4) before",
        ),
        (
            "moduledict",
            [("a", "Conv2d(_, 8, 3)"), ("b", "Linear(8, 2)")],
            "Row 2: `b` gets 1 × 8 × 222 × 222, so 222 feat",
        ),
        ("modulelist", ["Conv2d(_, 8, 3)", "DoubleConv(3, 8)"], "Row 2: `1.double_conv.0` gets 8 channels but takes 3"),
        (
            "sequential",
            ["Linear(_, 3)"],
            "and 1 × 3 × 224 × 224 comes in: put Flatten() before it, or write the number.",
        ),
        ("sequential", ["Flatten()", "LSTM(_, 3)", "ReLU()"], "Row 3: `2` takes one tensor, and the layer before it"),
        ("sequential", ["Flatten(0)", "Linear(_, 3)"], "`_` is the width of a tensor (N, C, ...), and 150528 comes in"),
        ("sequential", ["Down(_, 4)"] * 8, "Row 8: `7.maxpool_conv.0` (MaxPool2d) could not take 1 × 4 × 1 × 1"),
        ("sequential", ["MultiheadAttention(224, 2)"], "Row 1: `0` (MultiheadAttention) could not take"),
    ],
)
def test_refuses(container: str, rows: Any, message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open(f"modelview:{container}", rows=rows)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, 'modelview:sequential needs rows, such as rows=[("conv1", "Conv2d(3, 64, 7)")].'),
        (
            {"rows": ["ReLU()"], "weights": None},
            "modelview:sequential takes no keyword 'weights'. It takes rows, input",
        ),
        ({"rows": ["ReLU()"], "seed": "x"}, "A seed is a whole number from 0 up; got 'x'."),
        (
            {"rows": ["ReLU()"], "input": (8, 3, 4)},
            "input is a shape with N = 1 first, such as (1, 3, 224, 224); got (8",
        ),
        ({"rows": ["ReLU()"], "input": ()}, "input is a shape with N = 1 first"),
        ({"rows": ["ReLU()"], "input": (1, 0)}, "input is a shape with N = 1 first"),
        ({"rows": ["ReLU()"], "input": (1, True)}, "input is a shape with N = 1 first"),
        ({"rows": ["ReLU()"], "input": "1,3"}, "input is a shape with N = 1 first"),
        ({"rows": ["ReLU()"], "input": (1, 10**12, 10**12)}, "No tensor can have the shape 1 × 1000000000000 × 10000"),
    ],
)
def test_refuses_keywords(given: dict[str, Any], message: str) -> None:
    with pytest.raises(EditError) as caught:
        mv.open("modelview:sequential", **given)
    assert message in str(caught.value)


def test_names_that_are_unknown() -> None:
    with pytest.raises(UnknownName, match=r"No model of modelview is called 'unett'\. Did you mean 'unet'"):
        mv.open("modelview:unett")
    with pytest.raises(UnknownName, match="No container is called 'list'"):
        Composed("list", (("", "ReLU()"),))


@pytest.mark.long
def test_layers_without_end_are_refused_soon() -> None:
    start = time.perf_counter()
    with pytest.raises(EditError, match="has too many layers to be looked at"):
        composed("sequential", rows=["Transformer(512, 8, 1000000000)"])
    assert time.perf_counter() - start < 30


def test_a_recipe_with_rows_that_cannot_run_says_so_when_it_is_looked_at() -> None:
    text = mv.Recipe(Composed("sequential", (("", "Conv2d(4, 8, 3)"),))).to_json()
    recipe = mv.Recipe.from_json(text)
    for look in (recipe.structure, recipe.build, recipe.code, recipe.check):
        with pytest.raises(EditError, match="Row 1: `0` gets 3 channels but takes 4"):
            look()
