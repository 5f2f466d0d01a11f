import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modelview.edits.add_input import AddInput
from modelview.edits.freeze import Freeze
from modelview.edits.prefix import Prefix
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.heads import head_paths
from modelview.recipe import Recipe, structure_of
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
    pictures,
    small,
    values,
)
from tests.laws import check_recipe, run

FIRST: Any = (("relu", "ReLU()"), ("dropout", "Dropout(0.5)"))
EMBED: Any = (("embed", "Linear(3, 16)"), ("act", "Tanh()"))
STYLES = ("wrap", "keep")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("recipe", "fields"),
    [
        (SQUEEZENET, {"num_outputs": 10, "before": FIRST, "softmax": True}),
        (MOBILENET, {"size": 3, "layers": EMBED}),
        (SHUFFLENET, {"at": "stage3.0.branch2.3", "size": 3, "layers": EMBED}),
        (REGNET, {"at": "trunk_output.block2", "size": (4, 9, 7), "num_outputs": 104}),
        (MOBILENET, {"at": "features.0.2"}),
        (SHUFFLENET, {"where": "before"}),
        (SQUEEZENET, {"where": "before", "size": (2, 3, 3)}),
        (MOBILENET, {"where": "before", "at": "features.0.0", "size": 2}),
        (LRASPP, {"at": "classifier.cbr", "size": 5}),
        (SSD, {"at": "backbone.features.0.0.2"}),
        (SSD, {"at": "head.classification_head.module_list.0.1", "where": "before", "size": 3}),
    ],
    ids=lambda value: value.source.title if isinstance(value, Recipe) else ",".join(value),
)
def test_laws(recipe: Recipe, fields: dict[str, Any], style: str) -> None:
    recipe = recipe.then(AddInput(**fields, style=style))
    check_recipe(recipe, inputs=small(recipe))


@pytest.mark.parametrize(
    "edits",
    [
        [AddInput("one", num_outputs=8), AddInput("two", 3, num_outputs=4, holder="inner")],
        [AddInput("one", at="layer1"), AddInput("two", at="net.layer2", style="keep")],
        [AddInput("one", num_outputs=8, style="keep"), AddInput("two", num_outputs=4, style="keep"), SwapHead(3)],
        [Truncate("layer3"), AddInput(size=(3, 5, 5)), Freeze("net")],
        [AddInput(at="layer1.0.relu"), AddInput("two", where="before", holder="inner")],
        [SwapHead(5, hidden=(8,)), AddInput(at="fc.fc1", where="before", style="keep"), Truncate("layer4")],
    ],
)
def test_with_others(edits: list[Any]) -> None:
    recipe = RESNET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


@pytest.mark.parametrize("recipe", [VIT, SWIN, GOOGLENET], ids=lambda r: r.source.title)
def test_on_meta(recipe: Recipe) -> None:
    for start in AddInput.starts(structure_of(recipe)).values():
        assert recipe.then(start).check().output in ((1, 10), (1, 1000))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("recipe", "fields", "layer"),
    [
        (RESNET, {}, "fc"),
        (SHUFFLENET, {"size": 7}, "fc"),
        (RESNET, {"at": "layer3.0.conv1", "size": (3, 4, 4)}, "layer3.0.conv1"),
        (SQUEEZENET, {"size": 2, "layers": (("embed", "Linear(2, 4)"),)}, "classifier.1"),
        (REGNET.then(SwapHead(7, hidden=(8,), dropout=0.5)), {"size": 3}, "fc.fc1"),
    ],
)
def test_before_a_layer_nothing_changes_while_the_new_weights_are_zero(
    recipe: Recipe, fields: dict[str, Any], layer: str, style: str
) -> None:
    """The new input says nothing, to the last bit; the old weights say what they said, but for the order of sums."""
    model, x = recipe.then(AddInput(**fields, where="before", style=style)).build(), pictures()
    shape = RESNET.then(AddInput(**fields, where="before")).example[1] if recipe is RESNET else (1, fields["size"])
    one, other = torch.rand(2, *shape[1:]), torch.rand(2, *shape[1:])
    before, after = run(recipe.build(), (x,)), run(model, (x, one))
    assert torch.equal(after, run(model, (x, other)))
    assert torch.allclose(after, before, rtol=0, atol=1e-6)
    with torch.no_grad():
        model.get_submodule(f"net.{layer}" if style == "wrap" else layer).weight[:, -1] = 1e-3  # type: ignore[index, operator]
    assert not torch.allclose(run(model, (x, one)), before, rtol=0, atol=1e-6)
    assert not torch.equal(run(model, (x, one)), run(model, (x, other)))


def joined(recipe: Recipe, edit: AddInput, extra: Tensor) -> Tensor:
    """What goes into the layer after the joined value."""
    found: list[Tensor] = []
    model = recipe.then(edit).build()
    model.join.register_forward_pre_hook(lambda module, args: found.append(args[0]))  # type: ignore[union-attr, operator]
    run(model, (pictures(), extra))
    return found[-1]


@pytest.mark.parametrize(
    ("size", "fit"),
    [
        (1, lambda extra: extra.reshape(2, 1, 1, 1).expand(-1, -1, 8, 8)),
        (3, lambda extra: extra[:, :, None, None].expand(-1, -1, 8, 8)),
        ((2, 8, 8), lambda extra: extra),
        ((2, 5, 3), lambda extra: nn.functional.interpolate(extra, size=(8, 8))),
    ],
)
@pytest.mark.parametrize("style", STYLES)
def test_what_is_joined(size: Any, fit: Any, style: str) -> None:
    """A vector stands at every position, a map is brought to the size: whatever the size is when it runs."""
    extra = torch.rand(2, *(size if isinstance(size, tuple) else (size,)))
    expected = torch.cat([values(RESNET.build(), "layer2", (pictures(),)), fit(extra)], dim=1)
    assert torch.equal(joined(RESNET, AddInput(size=size, at="layer2", style=style), extra), expected)


def test_one_number_an_item_comes_with_or_without_its_axis() -> None:
    model, extra = RESNET.then(AddInput(num_outputs=4)).build(), torch.rand(2)
    assert torch.equal(run(model, (pictures(), extra)), run(model, (pictures(), extra[:, None])))


def test_what_predicts_the_classes_afterwards() -> None:
    assert RESNET.then(AddInput(num_outputs=4)).changes()[0].heads == ("fc_add",)
    twice = RESNET.then(AddInput("one", num_outputs=4, style="keep")).then(AddInput("two", num_outputs=3, style="keep"))
    assert twice.changes()[1].heads == ("fc_add_1",)
    assert head_paths(structure_of(RESNET.then(AddInput(at="layer2")))) == ("net.fc",)
    after = RESNET.then(AddInput(at="fc", num_outputs=7))
    assert (after.changes()[0].heads, after.categories()) == (("join",), ())
    assert after.then(SwapHead(3)).check().output == (1, 3)


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"name": "image x"}, "An argument's name is a Python name, such as add_variable; got 'image x'."),
        (RESNET, {"name": ""}, "An argument's name is a Python name, such as add_variable; got ''."),
        (RESNET, {"name": "class"}, "An argument's name is a Python name, such as add_variable; got 'class'."),
        (RESNET, {"name": "torch"}, "'torch' means something else in the code that is written; choose another name."),
        (SSD, {"name": "targets", "at": "backbone.features.0"}, "`forward` has an argument called 'targets' already;"),
        (
            RESNET.then(AddInput()),
            {"name": "add_variable", "holder": "inner"},
            "`forward` has an argument called 'add_variable' already; choose another name.",
        ),
        (RESNET, {"size": 0}, "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56); got 0."),
        (RESNET, {"size": ()}, "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56); got ()."),
        (RESNET, {"size": (3, 0)}, "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56)"),
        (RESNET, {"size": 2.5}, "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56); got 2.5."),
        (RESNET, {"size": True}, "The size of an input is whole numbers from 1 up, such as 3 or (8, 56, 56)"),
        (
            RESNET,
            {"size": (3, 4, 5, 6)},
            "A value of shape 1 × 1000 is joined with (N, k), or with one of as many axes; the new input is "
            "1 × 3 × 4 × 5 × 6.",
        ),
        (
            SWIN,
            {"size": (3, 4, 4), "at": "features.1"},
            "The new input, 1 × 3 × 4 × 4, has other positions than 1 × 56 × 56 × 96, and only maps with channels "
            "first can be resized.",
        ),
        (RESNET, {"at": "layer9"}, "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
        (GOOGLENET, {"at": "aux1"}, "`aux1` is never called, so it has no value."),
        (
            VIT,
            {"at": "encoder.layers.encoder_layer_0.self_attention"},
            "`encoder.layers.encoder_layer_0.self_attention` returns (1 × 197 × 768, –); this needs one tensor",
        ),
        (
            MASKRCNN,
            {"at": "roi_heads.box_head"},
            "`roi_heads.box_head` returns 10 × 1024 for one input, so its items are not the input's. Choose another",
        ),
        (
            GOOGLENET.then(Prefix("module.")),
            {"at": "module.conv2", "style": "keep"},
            "The forward of this model cannot be written anew, and a Sequential runs every layer that it holds:",
        ),
        (SSD, {}, "The model returns (boxes: 10 × 4, scores: 10, labels: 10); an input is joined with one tensor."),
        (RESNET, {"layers": ["embed"]}, "Layers are rows of a name and a layer, such as"),
        (RESNET, {"layers": [("embed", "Linaer(1, 2)")]}, "No layer class is called 'Linaer'. Did you mean 'Linear'"),
        (
            RESNET,
            {"layers": [("embed", "Linear(2, 16)")]},
            "`embed`, Linear(2, 16), does not take 1 × 1: a and b must have same reduction dim",
        ),
        (
            RESNET,
            {"layers": [("fc_add", "ReLU()")], "num_outputs": 3},
            "Two layers are called 'fc_add'; give each its own name.",
        ),
        (RESNET, {"layers": [("join", "ReLU()")], "at": "layer1"}, "Two layers are called 'join'; give each its own"),
        (RESNET, {"num_outputs": 0}, "The number of outputs is a whole number from 1 up; got 0."),
        (RESNET, {"num_outputs": "3"}, "The number of outputs is a whole number from 1 up; got '3'."),
        (RESNET, {"num_outputs": 10**12}, "A head for 1,000,000,000,000 outputs would take 4,004,000 GB of weights;"),
        (
            RESNET,
            {"num_outputs": 7, "where": "before"},
            "Before a module no Linear is added: it takes the joined value itself. Leave outputs empty.",
        ),
        (
            RESNET,
            {"num_outputs": 7, "at": "layer1"},
            "`net.layer2.0.conv1` gets 7 channels but takes 64: insert a 1 × 1 Conv2d(7, 64) before it, or replace",
        ),
        (RESNET, {"style": "sequential"}, "No choice is called 'sequential'. Did you mean 'wrap' or 'keep'?"),
        (RESNET, {"where": "befor"}, "No choice is called 'befor'. Did you mean 'before'?"),
        (
            RESNET,
            {"where": "before", "at": "layer1"},
            "`layer1` is Sequential; only a Linear or a convolution in one group can take more channels. Join after",
        ),
        (REGNET, {"where": "before", "at": "trunk_output.block1.block1-0.f.b.0"}, "`trunk_output.block1.block1-0.f."),
        (
            RESNET,
            {"where": "before", "at": "layer1.0.relu"},
            "`layer1.0.relu` is called 2 times; an input is joined before a module called once.",
        ),
        (
            LRASPP,
            {"where": "before"},
            "This model has 2 heads (`classifier.low_classifier`, `classifier.high_classifier`): choose the module to",
        ),
        (RAFT, {"where": "before"}, "This model has no head that could take another input; choose a module to join it"),
        (RESNET, {"before": [("d", "Dropout(0.5)")], "at": "layer1"}, "Layers on the output and softmax are for an"),
        (RESNET, {"before": [("d", "Conv2d(1, 1, 1)")]}, "`d` gets 1 × 1000, but Conv2d takes 4 dimensions"),
        (RESNET, {"softmax": True, "where": "before"}, "Layers on the output and softmax are for an input that is"),
        (RESNET, {"softmax": True, "before": [("output", "ReLU()")]}, "Two layers are called 'output'; give each"),
        (RESNET, {"holder": "1"}, "A layer's name is a Python name, such as fc1; got '1'."),
        (RESNET, {"holder": "forward"}, "No layer can be called 'forward': modules have that for something else."),
        (RESNET, {"holder": "nn"}, "'nn' means something else in the code that is written; choose another name."),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, AddInput, fields, message)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", 5), ("size", "3"), ("num_outputs", "3"), ("softmax", "yes"), ("at", None), ("layers", [["embed"]])],
)
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    content = json.loads(RESNET.then(AddInput()).to_json())
    content["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(content))
