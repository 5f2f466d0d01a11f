import json
from typing import Any

import pytest
import torch
from torch import nn

from modelview.edits.freeze import Freeze
from modelview.edits.fuse_stages import FuseStages
from modelview.edits.swap_head import SwapHead
from modelview.errors import EditError
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
    opened,
    small,
    values,
)
from tests.laws import check_recipe, run

STAGES = ("layer1", "layer2", "layer3", "layer4")
CASES = [
    (SQUEEZENET, ("features.2", "features.7.expand3x3_activation", "features.12"), 192 + 512),
    (MOBILENET, ("features.0.1", "features.6.block.3.1", "avgpool"), 16 + 40 + 576),
    (SHUFFLENET, ("stage2", "stage3", "stage4", "conv5"), 48 + 96 + 192 + 1024),
    (REGNET, ("trunk_output.block1", "trunk_output.block4"), 48 + 440),
    (LRASPP, ("backbone.0.1", "backbone.9.block.0.2"), 16 + 184),
    (SSD, ("backbone.features.0.0", "backbone.features.1.2"), 16 + 80),
]


@pytest.mark.parametrize(("recipe", "paths", "total"), CASES, ids=[recipe.source.title for recipe, _, _ in CASES])
def test_both_styles_hold_the_laws_and_agree(recipe: Recipe, paths: tuple[str, ...], total: int) -> None:
    """Loaded with the same values they give the same: the Linear of the joined means of what hooks see."""
    args, original = small(recipe), recipe.build()
    edit = FuseStages(paths, 5)
    inherit = check_recipe(recipe.then(edit), inputs=args)
    wrap = check_recipe(recipe.then(FuseStages(paths, 5, "wrap")), inputs=args)
    (head,) = recipe.then(edit).changes()[0].heads or ()
    linear: Any = inherit.get_submodule(head)
    assert repr(linear) == repr(wrap.fc) == f"Linear(in_features={total}, out_features=5, bias=True)"
    wrap.load_state_dict(
        {f"backbone.{name}": value for name, value in original.state_dict().items()}
        | {f"fc.{name}": value for name, value in linear.state_dict().items()}
    )
    means = [nn.functional.adaptive_avg_pool2d(values(original, path, args), 1).flatten(1) for path in paths]
    expected = run(linear, (torch.cat(means, dim=1),))
    assert torch.equal(run(inherit, args), expected)
    assert torch.equal(run(wrap, args), expected)


def test_inherited_it_has_the_models_own_names_and_only_another_head() -> None:
    change = RESNET.then(FuseStages(STAGES, 10)).changes()[0]
    assert change.summary == "4 stages → Linear(960, 10)"
    assert change.notes == (
        "Widths 64 + 128 + 256 + 512 = 960. What ran after the last stage stays in the model, unused.",
    )
    keys = list(RESNET.structure().state_dict())
    assert list(RESNET.then(FuseStages(STAGES, 10)).structure().state_dict()) == keys
    assert "class FusedResNet(ResNet):" in change.code.definitions[0]
    wrapped = RESNET.then(FuseStages(STAGES, 10, "wrap", "net")).structure()
    assert list(wrapped.state_dict()) == [*(f"net.{key}" for key in keys), "fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    ("recipe", "paths", "total"),
    [
        (VIT, ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_5"), 2 * 768),
        (SWIN, ("features.1", "features.3"), 96 + 192),
        (opened("r3d_18"), STAGES, 960),
        (RESNET, ("fc", "layer4"), 1000 + 512),
        (RESNET, ("layer1.0.relu",), 64),
    ],
)
@pytest.mark.parametrize("style", ["inherit", "wrap"])
def test_on_meta(recipe: Recipe, paths: tuple[str, ...], total: int, style: str) -> None:
    edited = recipe.then(FuseStages(paths, 3, style))
    assert edited.check().output == (1, 3)
    assert edited.changes()[0].summary.endswith(f" → Linear({total}, 3)")
    assert edited.categories() == ()


@pytest.mark.parametrize(
    "edits",
    [
        [FuseStages(STAGES[:2], 5), SwapHead(3)],
        [FuseStages(("fc", "layer4"), 5), SwapHead(3)],
        [FuseStages(STAGES, 5, "wrap"), SwapHead(3, hidden=(8,)), Freeze("backbone")],
        [SwapHead(4, hidden=(8,)), FuseStages(STAGES, 5)],
        [FuseStages(STAGES, 5, "wrap"), FuseStages(("backbone.layer1", "backbone.layer4"), 2)],
    ],
)
def test_with_others(edits: list[Any]) -> None:
    recipe = RESNET
    for edit in edits:
        recipe = recipe.then(edit)
    check_recipe(recipe, inputs=small(recipe))


def test_a_form_begins_with_all_stages() -> None:
    assert FuseStages.starts(structure_of(RESNET)) == {"All stages": FuseStages(STAGES, 10)}
    assert FuseStages.starts(structure_of(VIT)) == {}


@pytest.mark.parametrize(
    ("recipe", "fields", "message"),
    [
        (RESNET, {"paths": ()}, "Choose the modules whose outputs are to be fused, such as layer1, layer2."),
        (RESNET, {"paths": ("layer1", "layer1")}, "`layer1` stands twice among the stages."),
        (RESNET, {"paths": "layer9"}, "No module is called 'layer9'. Did you mean 'layer4' or 'layer3'?"),
        (RESNET, {"paths": ""}, "This edit needs a module inside the model, not the whole of it."),
        (GOOGLENET, {"paths": "aux1"}, "`aux1` is never called, so it has no value."),
        (SSD, {"paths": "backbone"}, "`backbone` returns 0: 1 × 672 × 20 × 20, 1:"),
        (RAFT, {"paths": "feature_encoder"}, "`feature_encoder` returns 2 × 128 × 65 × 120 for one input, so its"),
        (
            opened("swin_v2_t"),
            {"paths": ("features.1", "features.1.0.attn.cpb_mlp")},
            "`features.1.0.attn.cpb_mlp` returns 1 × 15 × 15 × 3 for one input and for two, so its items are not",
        ),
        (MASKRCNN, {"paths": "roi_heads.box_head"}, "`roi_heads.box_head` returns 10 × 1024 for one input, so its"),
        (RESNET, {"paths": STAGES, "num_classes": 0}, "The number of classes is a whole number from 1 up; got 0."),
        (RESNET, {"paths": STAGES, "num_classes": "5"}, "The number of classes is a whole number from 1 up; got '5'."),
        (RESNET, {"paths": STAGES, "num_classes": True}, "The number of classes is a whole number from 1 up; got"),
        (
            RESNET,
            {"paths": STAGES, "num_classes": 10**12},
            "A head for 1,000,000,000,000 classes would take 3,840,000 GB of weights;",
        ),
        (RESNET, {"paths": STAGES, "style": "wrpa"}, "No style is called 'wrpa'. Did you mean 'wrap'?"),
        (RESNET, {"paths": STAGES, "style": "keep"}, "No style is called 'keep'. Did you mean"),
        (RESNET, {"paths": STAGES, "style": None}, "Fuse stages: `style` is a text; got None."),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": 5}, "Fuse stages: `name` is a text; got 5."),
        (RESNET, {"paths": 5}, "This takes paths of modules, such as layer1; got 5."),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": "a b"}, "A layer's name is a Python name, such as fc1;"),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": "class"}, "A layer's name is a Python name, such as fc1;"),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": "forward"}, "No layer can be called 'forward': modules"),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": "torch"}, "'torch' means something else in the code"),
        (RESNET, {"paths": STAGES, "style": "wrap", "name": "fc"}, "Two layers are called 'fc'; give each its own"),
    ],
)
def test_refusals(recipe: Recipe, fields: dict[str, Any], message: str) -> None:
    check_refused(recipe, FuseStages, fields, message)


@pytest.mark.parametrize(
    ("field", "value"), [("paths", "layer1"), ("num_classes", "5"), ("num_classes", True), ("style", 5), ("name", None)]
)
def test_json_of_other_types_is_refused(field: str, value: object) -> None:
    content = json.loads(RESNET.then(FuseStages(STAGES, 5, "wrap", "net")).to_json())
    content["edits"][0][field] = value
    with pytest.raises(EditError, match=rf"Edit 1 of this recipe, '{field}'"):
        Recipe.from_json(json.dumps(content))
