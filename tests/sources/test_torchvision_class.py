"""torchvision's classes with arguments of one's own: laws, names of classes, and what is refused."""

import time
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck

import modelview as mv
from modelview.errors import EditError, UnknownName
from modelview.export.base import EXPORTS
from modelview.sources.torchvision_class import TorchvisionClass, names, torchvision_class
from tests.laws import check_recipe, run

SMALL: dict[str, dict[str, Any]] = {
    "AlexNet": {"num_classes": 3},
    "DenseNet": {"growth_rate": 8, "block_config": (2, 2, 2, 2)},
    "GoogLeNet": {"aux_logits": False, "num_classes": 4},
    "Inception3": {"aux_logits": False, "num_classes": 4},
    "MNASNet": {"alpha": 0.5},
    "MaxVit": {
        "input_size": (64, 64),
        "stem_channels": 16,
        "partition_size": 2,
        "block_channels": [16, 32],
        "block_layers": [1, 1],
        "head_dim": 8,
        "stochastic_depth_prob": 0.1,
    },
    "MobileNetV2": {"inverted_residual_setting": [[1, 16, 1, 1], [6, 24, 2, 2]]},
    "ResNet": {"block": "BasicBlock", "layers": [1, 2, 1, 1], "norm_layer": "InstanceNorm2d"},
    "ShuffleNetV2": {"stages_repeats": [2, 2, 2], "stages_out_channels": [24, 48, 96, 192, 512]},
    "SqueezeNet": {"version": "1_1"},
    "SwinTransformer": {
        "patch_size": [4, 4],
        "embed_dim": 24,
        "depths": [2, 2],
        "num_heads": [2, 4],
        "window_size": [7, 7],
        "block": "SwinTransformerBlockV2",
        "downsample_layer": "PatchMergingV2",
    },
    "VisionTransformer": {
        "image_size": 32,
        "patch_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
        "norm_layer": "LayerNorm",
    },
}
LAYERS = {"block": "BasicBlock", "layers": [1, 1, 1, 1]}


def test_every_class_that_can_be_said_is_here() -> None:
    assert names() == tuple(sorted(SMALL))


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_laws(name: str) -> None:
    recipe = mv.open(f"torchvision:{name}", **SMALL[name])
    built = check_recipe(recipe)
    assert type(built) is getattr(models, name)
    assert recipe.then(mv.SwapHead(7)).check().output == (1, 7)


def test_a_resnet_that_no_builder_makes() -> None:
    recipe = mv.open("torchvision:ResNet", block="Bottleneck", layers=[3, 24, 36, 3], num_classes=10)
    own = models.ResNet(Bottleneck, [3, 24, 36, 3], num_classes=10).eval()
    structure = recipe.structure()
    assert {k: v.shape for k, v in structure.state_dict().items()} == {k: v.shape for k, v in own.state_dict().items()}
    assert recipe.check().output == (1, 10)
    assert recipe.source.code().statements == (
        "model = models.ResNet(block=Bottleneck, layers=[3, 24, 36, 3], num_classes=10)",
    )
    assert recipe.then(mv.SwapHead(2)).changes()[0].summary == "fc → Linear(2048, 2)"


def test_the_outputs_are_the_class_s_own() -> None:
    built = mv.open("torchvision:ResNet", **LAYERS, num_classes=4).build()
    own = models.ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4).eval()
    own.load_state_dict(built.state_dict())
    image = torch.rand(2, 3, 64, 64)
    assert torch.equal(run(built, (image,)), run(own, (image,)))


def test_a_whole_module_can_be_written() -> None:
    assert EXPORTS["module"]().refusal(mv.open("torchvision:ResNet", **LAYERS)) is None


@pytest.mark.parametrize(
    ("name", "given", "shape"),
    [
        ("ResNet", LAYERS, (1, 3, 224, 224)),
        ("Inception3", SMALL["Inception3"], (1, 3, 299, 299)),
        ("VisionTransformer", SMALL["VisionTransformer"], (1, 3, 32, 32)),
        ("MaxVit", {**SMALL["MaxVit"], "input_size": (64, 128)}, (1, 3, 64, 128)),
    ],
)
def test_example(name: str, given: dict[str, Any], shape: Any) -> None:
    assert torchvision_class(name, **given).example == (shape,)


def test_one_value_for_one_meaning() -> None:
    first = torchvision_class("ResNet", layers=[1, 1, 1, 1], block="BasicBlock")
    assert first == TorchvisionClass("ResNet", (("block", "BasicBlock"), ("layers", (1, 1, 1, 1))))
    assert hash(first) == hash(torchvision_class("ResNet", block="BasicBlock", layers=(1, 1, 1, 1)))


def test_classes_of_other_packages_are_imported_by_the_code() -> None:
    for norm, line in (
        ("FrozenBatchNorm2d", "from torchvision.ops.misc import FrozenBatchNorm2d"),
        ("BatchNorm2d", "from torch.nn import BatchNorm2d"),
    ):
        recipe = mv.open("torchvision:ResNet", **LAYERS, norm_layer=norm)
        assert line in recipe.code()
        check_recipe(recipe)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("ResNet", {}, "ResNet needs block and layers. block is the name of a class, such as 'BasicBlock' or 'Bottlen"),
        ("ResNet", {"block": "Bottleneck"}, "ResNet needs layers. layers is a list."),
        ("MNASNet", {}, "MNASNet needs alpha. alpha is a plain value."),
        (
            "ResNet",
            {**LAYERS, "block": "Botleneck"},
            "No class for block is called 'Botleneck'. Did you mean 'Bottlene",
        ),
        ("ResNet", {**LAYERS, "block": "Linear"}, "No class for block is called 'Linear'."),
        (
            "ResNet",
            {**LAYERS, "block": 3},
            "block is the name of a class, such as 'BasicBlock' or 'Bottleneck'. Got 3.",
        ),
        ("ResNet", {**LAYERS, "zero_init_residual": 1}, "zero_init_residual of ResNet is True or False; got 1."),
        ("ResNet", {**LAYERS, "norm_layer": True}, "norm_layer is the name of a class. Got True."),
        ("ResNet", {**LAYERS, "norm_layer": "os.system"}, "No class for norm_layer is called 'os.system'."),
        (
            "ResNet",
            {**LAYERS, "norm_layer": "Conv2d"},
            "norm_layer=Conv2d) cannot be built: Conv2d.__init__() missing 2",
        ),
        (
            "ResNet",
            {**LAYERS, "layers": [1, 1]},
            "ResNet(block=BasicBlock, layers=[1, 1]) cannot be built: a list in it is too short.",
        ),
        ("ResNet", {**LAYERS, "layers": [1, 0, 1, 1]}, "layers is a list of numbers from 1 to 100,000; 0 is in it."),
        (
            "ResNet",
            {**LAYERS, "layers": [1, 10**9, 1, 1]},
            "layers is a list of numbers from 1 to 100,000; 1,000,000,00",
        ),
        ("ResNet", {**LAYERS, "layers": [1, 10**5, 1, 1]}, "has too many layers to be looked at. Choose fewer."),
        ("ResNet", {**LAYERS, "layers": "1111"}, "layers is a list. Got '1111'."),
        ("ResNet", {**LAYERS, "layers": object()}, "ResNet is opened with plain values; layers=<object object at"),
        (
            "ResNet",
            {**LAYERS, "weights": "DEFAULT"},
            "ResNet takes no keyword 'weights'. It takes block, layers, num_c",
        ),
        ("ResNet", {**LAYERS, "num_classes": 0}, "num_classes is a whole number from 1 up; got 0."),
        ("ResNet", {**LAYERS, "groups": 0}, "groups is a whole number from 1 up; got 0."),
        ("ResNet", {**LAYERS, "num_classes": 2 * 10**9}, "would take 4,104 GB of weights; this machine has"),
        ("ResNet", {**LAYERS, "seed": -1}, "A seed is a whole number from 0 up; got -1."),
        (
            "VisionTransformer",
            {**SMALL["VisionTransformer"], "image_size": 0},
            "image_size is a whole number from 1 up",
        ),
        (
            "VisionTransformer",
            {**SMALL["VisionTransformer"], "image_size": 33},
            "cannot be built: Input shape indivisib",
        ),
        (
            "VisionTransformer",
            {**SMALL["VisionTransformer"], "num_layers": 10**9},
            "has too many layers to be looked at",
        ),
        (
            "VGG",
            {},
            "VGG needs features, which cannot be written as plain values. Open one of its models instead, such",
        ),
        (
            "EfficientNet",
            {},
            "EfficientNet needs inverted_residual_setting, which cannot be written as plain values. Op",
        ),
    ],
)
def test_refuses(name: str, given: dict[str, Any], message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(EditError) as caught:
        mv.open(f"torchvision:{name}", **given)
    assert message in str(caught.value)
    assert time.perf_counter() - start < 30


def test_unknown_classes_are_unknown_names() -> None:
    with pytest.raises(UnknownName, match=r"No torchvision class is called 'Resnet'\. Did you mean 'ResNet'"):
        TorchvisionClass("Resnet")
    with pytest.raises(UnknownName, match="No torchvision model is called 'Resnet'"):
        mv.open("torchvision:Resnet")


def test_another_number_of_classes() -> None:
    source = torchvision_class("ResNet", **LAYERS)
    model = source.with_classes(3).structure()
    assert isinstance(model, nn.Module)
    assert model.state_dict()["fc.weight"].shape == (3, 512)
    with pytest.raises(EditError, match="num_classes is a whole number from 1 up; got 0"):
        source.with_classes(0)


@pytest.mark.long
def test_a_refusal_in_the_middle_of_building_leaves_the_gradient_on() -> None:
    for n_layers in range(50_000, 50_004):
        with pytest.raises(EditError, match="has too many layers"):
            mv.open("torchvision:ResNet", block="BasicBlock", layers=(1, n_layers, 1, 1)).check()
        assert torch.is_grad_enabled()
