"""A subclass is called outright, with what its builder calls the class with, wherever that can be written."""

import re
from typing import Any

import pytest

import modelview as mv
from modelview import AddInput, AddOutputs, Detach, Freeze, FuseStages, Rename, SwapHead, Truncate
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from modelview.sources.torchvision_class import EXAMPLES
from tests.laws import check_recipe

pytestmark = pytest.mark.long

STAGES = ("layer1", "layer2")


def made(recipe: Recipe) -> str:
    """The statements of build_model, on one line."""
    body = recipe.code().partition("def build_model")[2].partition("\n\n\n")[0]
    return " ".join(body.partition(":\n")[2].split())


@pytest.mark.parametrize(
    ("name", "keywords", "edits", "start"),
    [
        ("resnet18", {}, [Detach("layer2")], "model = ResNetDetachedAtLayer2(block=BasicBlock, layers=[2, 2, 2, 2])"),
        (
            "resnet50",
            {"num_classes": 7, "replace_stride_with_dilation": (False, True, True)},
            [FuseStages(STAGES, 3)],
            "model = FusedResNet( block=Bottleneck, layers=[3, 4, 6, 3], num_classes=7, replace_stride_with_dilation="
            "[False, True, True], ) model.fc = nn.Linear(768, 3)",
        ),
        ("resnet18", {}, [SwapHead(3), Detach("layer2"), Freeze("conv1")], "model = ResNetDetachedAtLayer2(block="),
        (
            "resnet18",
            {},
            [Detach("layer2"), AddInput(at="layer3", size=2, style="keep")],
            "model = ResNetDetachedAtLayer2WithAdd",
        ),
        ("resnet18", {}, [AddOutputs(STAGES), SwapHead(3)], "model = ResNetWithLayer1Layer2(block=BasicBlock"),
        (
            "resnet18",
            {},
            [Detach("layer2"), AddInput(num_outputs=3)],
            "model: Any = ResNetDetachedAtLayer2(block=BasicBlock, layers=[2, 2, 2, 2]) model = ResNetDetachedAtLay",
        ),
        ("densenet121", {}, [Detach("features.norm0")], "model = DenseNetDetachedAtFeaturesNorm0()"),
        ("regnet_x_400mf", {}, [Detach("stem")], "model = RegNetDetachedAtStem( block_params=BlockParams("),
        ("r3d_18", {}, [Detach("layer1")], "model = VideoResNetDetachedAtLayer1( block=BasicBlock, conv_makers=[Con"),
        ("googlenet", {"aux_logits": False}, [Detach("conv1")], "model = GoogLeNetDetachedAtConv1(aux_logits=False,"),
        ("swin_v2_t", {}, [Detach("features.1")], "model = SwinTransformerDetachedAtFeatures1( patch_size=[4, 4],"),
        (
            "mobilenet_v2",
            {"width_mult": 0.5},
            [Detach("features.1")],
            "model = MobileNetV2DetachedAtFeatures1(width_mu",
        ),
        ("efficientnet_b0", {}, [Detach("features.1")], "model = EfficientNetDetachedAtFeatures1( inverted_residual"),
        (
            "vgg11",
            {"num_classes": 5},
            [Detach("features.2")],
            'model = VGGDetachedAtFeatures2( features=make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 51',
        ),
        (
            "fcn_resnet50",
            {},
            [Detach("backbone.layer1")],
            "model = FCNDetachedAtBackboneLayer1( backbone=IntermediateLayerGetter( models.resnet50(replace_stride_wi",
        ),
        (
            "retinanet_resnet50_fpn",
            {"min_size": 128, "max_size": 128},
            [Detach("backbone")],
            "model = RetinaNetDetachedAtBackbone( backbone=BackboneWithFPN( models.resnet50(norm_layer=nn.BatchN",
        ),
        ("squeezenet1_1", {}, [Detach("features.3")], 'model = SqueezeNetDetachedAtFeatures3(version="1_1")'),
    ],
)
def test_it_is_called_outright(name: str, keywords: dict[str, Any], edits: list[Edit], start: str) -> None:
    recipe = Recipe(mv.open(name, **keywords).source, tuple(edits))
    assert made(recipe).startswith(start)
    assert ".__class__ = ResNetDetachedAtLayer2\n" not in recipe.code()
    check_recipe(recipe)


@pytest.mark.parametrize("name", ["ConvNeXt", "FasterRCNN", "VideoResNet"])
def test_a_class_with_arguments_of_one_s_own_is_called_with_these(name: str) -> None:
    side = {"min_size": 128, "max_size": 128} if name == "FasterRCNN" else {}
    recipe = mv.open(f"torchvision:{name}", **EXAMPLES[name], **side)
    first = next(name for name, _ in recipe.structure().named_modules() if name.count(".") == 1)
    recipe = recipe.then(Detach({"FasterRCNN": "backbone.body.layer2"}.get(name, first)))
    assert re.match(rf"model = {name}DetachedAt\w+\(", made(recipe))
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("raft_small", [Detach("update_block")]),  # a function of its own makes the modules that it takes
        ("mobilenet_v3_small", [Detach("features.3")]),  # its settings do not keep what they were made of
        ("mvit_v1_b", [Detach("blocks.3.norm1")]),  # sixteen settings are too long to be read
        ("fasterrcnn_mobilenet_v3_large_320_fpn", [Detach("backbone.fpn.layer_blocks.0")]),
    ],
)
def test_the_class_is_given_where_the_call_cannot_be_written(name: str, edits: list[Edit]) -> None:
    recipe = Recipe(mv.open(name).source, tuple(edits))
    assert re.match(r"model = models\.[\w.]+\(.*model\.__class__ = \w+DetachedAt", made(recipe))


@pytest.mark.parametrize(
    ("edits", "start"),
    [
        ([Truncate("layer3"), Detach("layer1")], "model = models.resnet18(weights=None) model = ResNetToLayer3"),
        ([AddInput(num_outputs=3), Detach("net.layer1")], "model = models.resnet18(weights=None) model = "),
        ([Rename((("layer1.0", "first"),))], "model = models.resnet18(weights=None)"),
        ([SwapHead(3)], "model = models.resnet18(weights=None) model.fc = nn.Linear(512, 3)"),
    ],
)
def test_what_becomes_something_else_first_is_built_as_it_was(edits: list[Edit], start: str) -> None:
    recipe = Recipe(mv.open("resnet18").source, tuple(edits))
    assert made(recipe).startswith(start)
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("edits", "statements", "classes"),
    [
        (
            [FuseStages(STAGES, 3)],
            ("model = FusedResNet(block=BasicBlock, layers=[2, 2, 2, 2])", "model.fc = nn.Linear(192, 3)"),
            ["class FusedResNet(ResNet):"],
        ),
        ([FuseStages(STAGES, 3), Freeze("layer1")], ("model.layer1.requires_grad_(False)",), []),
        (
            [Detach("layer1"), AddOutputs(("layer2",))],
            ("model = ResNetDetachedAtLayer1WithLayer2(block=BasicBlock, layers=[2, 2, 2, 2])",),
            ["class ResNetDetachedAtLayer1WithLayer2(ResNet):"],
        ),
        ([], ("model = models.resnet18(weights=None)",), []),
    ],
)
def test_the_last_step_is_what_the_script_has_of_it(
    edits: list[Edit], statements: tuple[str, ...], classes: list[str]
) -> None:
    recipe = Recipe(mv.open("resnet18").source, tuple(edits))
    step = recipe.last_step()
    assert step.statements == (statements if edits else ())
    assert [text.partition("\n")[0] for text in step.definitions] == classes
    assert all(line in recipe.code() for line in (*statements, *classes))


def test_what_weights_change_stays_below_the_call() -> None:
    recipe = Recipe(Torchvision("googlenet", "DEFAULT")).then(Detach("conv1"))
    assert made(recipe).startswith("model = GoogLeNetDetachedAtConv1(")
    assert "transform_input=True" in made(recipe) or "model.transform_input = True" in made(recipe)
    assert "__class__" not in recipe.code()
