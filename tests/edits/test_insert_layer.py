import json
from typing import Any

import pytest
import torch

from modelview.edits.add_input import AddInput
from modelview.edits.add_outputs import AddOutputs
from modelview.edits.base import Edit
from modelview.edits.detach import Detach
from modelview.edits.freeze import Freeze
from modelview.edits.insert_layer import InsertLayer
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.layers import Layer
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
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
    small,
)
from tests.laws import check_recipe, run
from tests.zoo import exact

CASES = [
    (SQUEEZENET, "features.3"),
    (SQUEEZENET, "features.7.expand3x3_activation"),
    (MOBILENET, "features.3.block.1"),
    (SHUFFLENET, "stage3"),
    (SHUFFLENET, "conv1.2"),
    (REGNET, "trunk_output.block2.block2-0.f.a"),
    (RESNET, "layer1.0.relu"),  # called twice
    (LRASPP, "classifier.cbr"),
    (SSD, "backbone.features.0.3"),
]


@pytest.mark.parametrize(("where", "name"), [("after", None), ("before", "extra"), ("around", None)])
@pytest.mark.parametrize(("recipe", "path"), CASES, ids=lambda v: v.source.title if isinstance(v, Recipe) else v)
def test_an_identity_changes_no_output(recipe: Recipe, path: str, where: str, name: str | None) -> None:
    args = small(recipe)
    built = check_recipe(recipe.then(InsertLayer(path, "Identity()", where, name)), inputs=args)
    assert exact(run(built, args), run(recipe.build(), args))


@pytest.mark.parametrize(
    ("recipe", "edit", "summary", "rows"),
    [
        (
            SQUEEZENET,
            InsertLayer("classifier.0", "Conv2d(512, 512, 1)"),
            "Conv2d(512, 512, 1) after classifier.0",
            ["0", "1", "2", "3", "4"],
        ),
        (
            SQUEEZENET,
            InsertLayer("classifier.1", "BatchNorm2d()", "before", "norm"),
            "BatchNorm2d(512) before classifier.1",
            ["0", "norm", "1", "2", "3"],
        ),
        (
            SQUEEZENET,
            InsertLayer("classifier.1", "BatchNorm2d()", "around", "norm"),
            "BatchNorm2d(512) before classifier.1 · BatchNorm2d(1000) after classifier.1",
            ["0", "norm_before", "1", "norm_after", "2", "3"],
        ),
        (
            SQUEEZENET.then(InsertLayer("classifier.1", "Dropout(0.1)", name="more")),
            InsertLayer("classifier.1", "Conv2d(kernel_size=1)"),
            "Conv2d(1000, 1000, kernel_size=1) after classifier.1",
            ["0", "1", "conv2d", "more", "2", "3"],
        ),
        (
            SQUEEZENET,
            InsertLayer("classifier", "Softmax(dim=1)"),
            "Softmax(dim=1) after classifier",
            ["0", "1"],
        ),
        (
            SQUEEZENET,
            InsertLayer("classifier", "BatchNorm2d()", "before", "norm"),
            "BatchNorm2d(512) before classifier",
            ["norm", "classifier"],
        ),
    ],
)
def test_where_it_stands(recipe: Recipe, edit: InsertLayer, summary: str, rows: list[str]) -> None:
    recipe = recipe.then(edit)
    built = check_recipe(recipe, inputs=small(recipe))
    assert recipe.changes()[-1].summary == summary
    assert [name for name, _ in built.classifier.named_children()] == rows  # type: ignore[union-attr]


def test_the_layers_behind_it_keep_their_weights() -> None:
    before = SQUEEZENET.build()
    after = SQUEEZENET.then(InsertLayer("features.3", "BatchNorm2d()")).build()
    assert torch.equal(after.features[5].squeeze.weight, before.features[4].squeeze.weight)  # type: ignore[index, union-attr]
    named = SQUEEZENET.then(InsertLayer("features.3", "BatchNorm2d()", name="norm")).build()
    assert set(before.state_dict()) == {n for n in named.state_dict() if ".norm." not in n}
    assert torch.equal(named.features[4].running_mean, torch.zeros(128))  # type: ignore[index, union-attr, arg-type]


@pytest.mark.parametrize(
    ("recipe", "path", "layer", "found"),
    [
        (VIT, "encoder.layers.encoder_layer_0", "LayerNorm(768)", "LayerNorm(768)"),
        (VIT, "encoder.layers.encoder_layer_0", "Linear()", "Linear(768, 768)"),
        (SWIN, "features.1", "Linear()", "Linear(96, 96)"),
        (RESNET, "conv1", "BatchNorm2d()", "BatchNorm2d(64)"),
        (RESNET, "layer1", "GroupNorm(8)", "GroupNorm(8, 64)"),
        (RESNET, "layer1", "GroupNorm(8, affine=False)", "GroupNorm(8, 64, affine=False)"),
        (SWIN, "features.1", "LayerNorm()", "LayerNorm(96)"),
        (RESNET, "layer2", "Conv2d(kernel_size=3, padding=1)", "Conv2d(128, 128, kernel_size=3, padding=1)"),
    ],
)
def test_widths_left_open_are_those_of_the_place(recipe: Recipe, path: str, layer: str, found: str) -> None:
    recipe = recipe.then(InsertLayer(path, layer))  # type: ignore[arg-type]
    assert recipe.check().output == (1, 1000)
    assert recipe.changes()[0].summary.startswith(f"{found} after")


@pytest.mark.parametrize(
    "edits",
    [
        [InsertLayer("layer1.0", "BatchNorm2d()", name="norm"), Freeze("layer1.norm"), Truncate("layer1.norm")],
        [SwapHead(3), InsertLayer("fc", "Linear()")],
        [InsertLayer("fc", "ReLU()", "before"), SwapHead(3)],
        [InsertLayer("layer1", Layer("Dropout(0.1)")), Truncate("layer1.0.1")],
    ],
)
def test_with_others(edits: list[Any]) -> None:
    recipe = RESNET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe)


@pytest.mark.parametrize(
    "edit",
    [
        SwapHead(3),
        Freeze("features.7"),
        Truncate("features.6.squeeze"),
        ReplaceLayer("features.5", "Identity()"),
        Detach("features.7.squeeze"),
        AddOutputs(("features.7", "features.5")),
        AddInput(at="features.7.squeeze", where="before", style="keep"),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_rows_that_it_moved_are_found_by_their_names(edit: Edit) -> None:
    """`features.5` is the seventh row then: the written code counts places, the state_dict says names."""
    recipe = SQUEEZENET.then(InsertLayer("features.3", "BatchNorm2d()", name="norm"))
    recipe = recipe.then(InsertLayer("classifier.0", "Dropout(0.1)", name="more")).then(edit)
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"path": "layer9", "layer": "ReLU()"}, "No module is called 'layer9'. Did you mean 'layer4' or"),
        (RESNET, {"path": "", "layer": "ReLU()"}, "This edit needs a module inside the model, not the whole of it."),
        (GOOGLENET, {"path": "aux1", "layer": "ReLU()"}, "`aux1` is never called, so it has no value."),
        (SSD, {"path": "backbone", "layer": "ReLU()"}, "`backbone` returns 0: 1 × 672 × 20 × 20, 1:"),
        (
            VIT,
            {"path": "encoder.layers.encoder_layer_0.self_attention", "layer": "ReLU()", "where": "before"},
            "`encoder.layers.encoder_layer_0.self_attention` returns (1 × 197 × 768, –); this needs one tensor",
        ),
        (RESNET, {"path": "layer1", "layer": "Linaer()"}, "No layer class is called 'Linaer'. Did you mean 'Linear'"),
        (RESNET, {"path": "layer1", "layer": "print(1)"}, "No layer class is called 'print'."),
        (RESNET, {"path": "layer1", "layer": "Dropout(2.0)"}, "Dropout does not take these arguments: dropout"),
        (RESNET, {"path": "layer1", "layer": "LSTM()"}, "LSTM also needs 'input_size' and 'hidden_size'."),
        (
            RESNET,
            {"path": "layer1", "layer": "Conv2d()"},
            "Conv2d also needs 'kernel_size'.",
        ),
        (
            RESNET,
            {"path": "layer1", "layer": "Linear(1000000, 1000000)"},
            "Linear(1000000, 1000000) would take 4,000 GB of weights;",
        ),
        (
            RESNET,
            {"path": "layer1", "layer": "Linear(5)"},
            "Linear also needs 'out_features'.",
        ),
        (
            RESNET,
            {"path": "layer1", "layer": "LayerNorm()"},
            "`layer1` returns 1 × 64 × 56 × 56, with its 64 channels second, and LayerNorm takes them last: insert",
        ),
        (RESNET, {"path": "layer1", "layer": "GroupNorm()"}, "GroupNorm also needs 'num_groups'."),
        (
            RESNET,
            {"path": "layer1", "layer": "GroupNorm(7)"},
            "GroupNorm does not take these arguments: num_channels (",
        ),
        (
            Recipe(Torchvision("swin_t")),
            {"path": "features.1", "layer": "BatchNorm2d()"},
            "`features.1` returns 1 × 56 × 56 × 96, with its 96 channels last, and BatchNorm2d takes them",
        ),
        (
            RESNET,
            {"path": "layer1", "layer": "Conv2d(64, 65, 1)"},
            "`layer2.0.conv1` gets 65 channels but takes 64: insert a 1 × 1 Conv2d(65, 64) before it, or replace",
        ),
        (
            RESNET,
            {"path": "conv1", "layer": "Conv2d(3, 64, 3)", "where": "before"},
            "`conv1.1` gets 64 channels but takes 3: insert a 1 × 1 Conv2d(64, 3) before it, or replace",
        ),
        (
            VIT,
            {"path": "encoder.layers.encoder_layer_3", "layer": "GroupNorm(8)"},
            "`encoder.layers.encoder_layer_3` returns 1 × 197 × 768, with its 768 channels last, and GroupNorm takes",
        ),
        (RESNET, {"path": None, "layer": "ReLU()"}, "Insert layer: `path` is a text; got None."),
        (
            RESNET,
            {"path": "layer1", "layer": 5},
            "A layer is given as text, such as Conv2d(3, 64, 7, stride=2); got 5.",
        ),
        (RESNET, {"path": "layer1", "layer": "ReLU()", "where": None}, "Insert layer: `where` is a text; got None."),
        (RESNET, {"path": "layer1", "layer": "ReLU()", "name": 5}, "Insert layer: `name` is a text; got 5."),
        (RESNET, {"path": "layer1", "layer": "ReLU()", "where": "befor"}, "No place is called 'befor'. Did you mean"),
        (RESNET, {"path": "layer1", "layer": "ReLU()", "name": "a b"}, "A layer's name is a Python name, such as fc1;"),
        (RESNET, {"path": "layer1.0", "layer": "ReLU()", "name": "class"}, "A layer's name is a Python name, such as"),
        (RESNET, {"path": "layer1.0", "layer": "ReLU()", "name": "append"}, "No layer can be called 'append': modules"),
        (
            RESNET,
            {"path": "layer1", "layer": "ReLU()", "name": "layer1"},
            "A layer beside `layer1` is called 'layer1' already; choose another name.",
        ),
        (
            RESNET.then(InsertLayer("layer1.0", "ReLU()", name="more")),  # type: ignore[arg-type]
            {"path": "layer1.1", "layer": "ReLU()", "name": "more"},
            "A layer beside `layer1.1` is called 'more' already; choose another name.",
        ),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, InsertLayer, fields, message)


@pytest.mark.parametrize(("field", "value"), [("path", None), ("layer", 5), ("where", 5), ("name", 5)])
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    content = json.loads(RESNET.then(InsertLayer("layer1", "ReLU()", "before", "more")).to_json())  # type: ignore[arg-type]
    content["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(content))


@pytest.mark.parametrize("layer", [5, None, torch.nn.ReLU(), ("ReLU()",)])
def test_what_is_no_text_is_no_layer(layer: Any) -> None:
    for edit in (InsertLayer, ReplaceLayer):
        with pytest.raises(EditError, match="A layer is given as text, such as Conv2d"):
            edit("features.0", layer)
