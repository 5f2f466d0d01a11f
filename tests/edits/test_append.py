import json
from typing import Any

import pytest
import torch
from torch import nn

from modelview.edits.add_input import AddInput
from modelview.edits.append import Append
from modelview.edits.first_children import FirstChildren
from modelview.edits.freeze import Freeze
from modelview.edits.prefix import Prefix
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.recipe import Recipe, structure_of
from tests.edits.subjects import (
    GOOGLENET,
    LRASPP,
    MOBILENET,
    REGNET,
    RESNET,
    SHUFFLENET,
    SQUEEZENET,
    SSD,
    SWIN,
    VIT,
    check_refused,
    pictures,
    small,
)
from tests.laws import check_recipe, run

SHORT: Any = (("relu", "ReLU()"), ("fc1", "Linear(1000, 10)"))
LONG: Any = (("relu", "ReLU()"), ("dropout", "Dropout(0.5)"), ("fc1", "Linear(1000, 10)"), ("output", "Softmax(dim=1)"))
AGAIN: Any = (("relu", "ReLU()"), ("fc1", "Linear(10, 4)"))
POOLED: Any = (("pool", "AdaptiveAvgPool2d(1)"), ("flat", "Flatten()"))
SAME_NAME: Any = (("fc", "Linear(1000, 10)"), ("drop", "Dropout(0.5)"))
SOFTMAX: Any = (("output", "Softmax(dim=1)"),)


@pytest.mark.parametrize("style", ["keep", "wrap", "sequential"])
@pytest.mark.parametrize("recipe", [SQUEEZENET, MOBILENET, SHUFFLENET, REGNET], ids=lambda r: r.source.title)
def test_laws(recipe: Recipe, style: str) -> None:
    recipe = recipe.then(Append(LONG, style=style))
    assert recipe.check().output == (1, 10)
    check_recipe(recipe, inputs=small(recipe))


@pytest.mark.long
@pytest.mark.parametrize(
    "edit",
    [
        Append(SHORT),
        Append(SHORT, style="wrap"),
        AddInput("age", num_outputs=10),
        AddInput("age", num_outputs=10, style="keep"),
    ],
    ids=["append", "append, wrapped", "input", "input, kept"],
)
@pytest.mark.parametrize("before", [(), (Prefix("module."),)], ids=["plain", "held"])
def test_auxiliary_heads_do_not_stand_in_the_way_of_training(before: tuple[Any, ...], edit: Any) -> None:
    recipe, scope = Recipe(GOOGLENET.source, (*before, edit)), {"__name__": "exported"}
    if before and edit.style == "keep":
        with pytest.raises(EditError, match='let a new module hold it, with the style "wrap"'):
            recipe.check()
        return
    assert "In train mode the model returned 3 tensors" in recipe.changes()[-1].notes[-1]
    check_recipe(recipe, inputs=small(recipe))
    exec(recipe.code(), scope)
    for model in (recipe.build(), scope["build_model"]()):  # type: ignore[operator]
        assert model.train()(*small(recipe)).shape == (2, 10)


@pytest.mark.parametrize(
    "edits",
    [
        [Append(SHORT), Append(AGAIN)],
        [Append(SHORT, style="wrap", name="backbone"), SwapHead(3), Freeze("backbone")],
        [Truncate("stage4"), Append(POOLED)],
        [FirstChildren(), Append(POOLED)],
        [FirstChildren(), Append(POOLED, style="wrap")],
    ],
)
def test_with_others(edits: list[Any]) -> None:
    recipe = SHUFFLENET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


def test_every_style_computes_the_same() -> None:
    """The original's output, and what the layers make of it."""
    x = pictures()
    keep, wrap, chain = (RESNET.then(Append(SHORT, style=style)).build() for style in ("keep", "wrap", "sequential"))
    original = RESNET.build()
    fc1 = nn.Linear(1000, 10)
    fc1.load_state_dict(keep.fc1.state_dict())  # type: ignore[union-attr, operator]
    expected = run(fc1, (run(original, (x,)).relu(),))
    values = original.state_dict()
    new = {"weight": fc1.weight, "bias": fc1.bias}
    wrap.load_state_dict({f"net.{n}": v for n, v in values.items()} | {f"fc1.{n}": v for n, v in new.items()})
    chain.load_state_dict({f"0.{n}": v for n, v in values.items()} | {f"2.{n}": v for n, v in new.items()})
    for model in (keep, wrap, chain):
        assert torch.equal(run(model, (x,)), expected)
    assert set(keep.state_dict()) == {*values, "fc1.weight", "fc1.bias"}


@pytest.mark.parametrize("recipe", [VIT, SWIN, GOOGLENET], ids=lambda r: r.source.title)
def test_on_meta(recipe: Recipe) -> None:
    for start in Append.starts(structure_of(recipe)).values():
        assert recipe.then(start).check().output == (1, 10)


@pytest.mark.parametrize("style", ["keep", "wrap", "sequential"])
def test_the_last_appended_layer_with_weights_is_the_head(style: str) -> None:
    """Under the name that it was given: a model has an `fc` already."""
    recipe = RESNET.then(Append(SAME_NAME, style=style))
    assert recipe.changes()[0].heads == ({"keep": "fc_1", "wrap": "fc", "sequential": "1"}[style],)
    assert recipe.then(SwapHead(3)).check().output == (1, 3)


def test_without_weights_the_head_stays_the_head() -> None:
    recipe = RESNET.then(Append(SOFTMAX))
    assert recipe.then(SwapHead(3)).changes()[1].summary == "fc → Linear(512, 3)"
    assert "CrossEntropyLoss applies its own" in recipe.changes()[0].notes[0]
    assert recipe.categories() == RESNET.categories()
    assert RESNET.then(Append(SHORT)).categories() == ()


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"layers": ()}, "Name a layer to append, such as fc = Linear(1000, 10)."),
        (RESNET, {"layers": "ReLU()"}, "Layers are rows of a name and a layer, such as"),
        (RESNET, {"layers": ["ReLU()"]}, "Layers are rows of a name and a layer, such as"),
        (RESNET, {"layers": [("fc1", 5)]}, "Layers are rows of a name and a layer, such as"),
        (RESNET, {"layers": [("fc1", "Linaer(1000, 10)")]}, "No layer class is called 'Linaer'. Did you mean 'Linear'"),
        (RESNET, {"layers": [("fc1", "Linear(10**9, 10**9)")]}, "A layer is a torch.nn class called with plain values"),
        (RESNET, {"layers": [("fc1", "Linear(1000000, 1000000)")]}, "Linear(1000000, 1000000) would take 4,000 GB"),
        (RESNET, {"layers": [("1", "ReLU()")]}, "A layer's name is a Python name, such as fc1; got '1'."),
        (RESNET, {"layers": [("class", "ReLU()")]}, "A layer's name is a Python name, such as fc1; got 'class'."),
        (RESNET, {"layers": [("forward", "ReLU()")]}, "No layer can be called 'forward': modules have that for"),
        (RESNET, {"layers": [("a", "ReLU()"), ("a", "ReLU()")]}, "Two layers are called 'a'; give each its own name."),
        (
            RESNET,
            {"layers": [("fc", "Linear(999, 10)")]},
            "`fc_1` gets 1 × 1000, so 1000 features, but takes 999: replace it with Linear(1000, 10), or put",
        ),
        (
            RESNET,
            {"layers": [("a", "Conv2d(1000, 5, 1)")], "style": "sequential"},
            "`1` gets 1 × 1000, but Conv2d takes 4 dimensions (N, C, H, W).",
        ),
        (RESNET, {"layers": SHORT, "style": "wrpa"}, "No style is called 'wrpa'. Did you mean 'wrap'?"),
        (RESNET, {"layers": SHORT, "style": 1}, "Append layers: `style` is a text; got 1."),
        (RESNET, {"layers": SHORT, "style": "wrap", "name": "fc1"}, "Two layers are called 'fc1'"),
        (
            RESNET,
            {"layers": SHORT, "style": "wrap", "name": ""},
            "A layer's name is a Python name, such as fc1; got ''.",
        ),
        (RESNET, {"layers": SHORT, "style": "wrap", "name": "forward"}, "No layer can be called 'forward'"),
        (RESNET, {"layers": SHORT, "style": "wrap", "name": "self"}, "'self' means something else in the code"),
        (
            SSD,
            {"layers": SHORT},
            "The model returns (boxes: 10 × 4, scores: 10, labels: 10); layers after it need one tensor. Truncate",
        ),
        (LRASPP, {"layers": SHORT}, "The model returns out: 1 × 21 × 520 × 520; layers after it need one tensor."),
        (
            RESNET.then(FirstChildren()).then(Append(POOLED)),
            {"layers": [("pool", "ReLU()")]},
            "The Sequential has a row called 'pool' already; choose another name.",
        ),
        (
            GOOGLENET,
            {"layers": SHORT, "style": "sequential"},
            "In train mode this model returns 3 tensors, those of its auxiliary heads too, and a Sequential would pass",
        ),
        (
            RESNET.then(AddInput("age", 2)),
            {"layers": POOLED, "style": "sequential"},
            "A Sequential passes one value on, and this model takes 2: choose another style.",
        ),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, Append, fields, message)


@pytest.mark.parametrize(
    ("field", "value"), [("layers", [["fc1"]]), ("layers", [["fc1", 5]]), ("style", 5), ("name", None)]
)
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    text = json.loads(RESNET.then(Append(SHORT, style="wrap")).to_json())
    text["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(text))
