"""torchvision's classes with arguments of one's own: laws, names of classes, and what is refused."""

import re
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
from modelview.sources.torchvision_class import (
    EXAMPLES,
    TorchvisionClass,
    keywords_of_class,
    names,
    torchvision_class,
)
from tests.laws import check_recipe, run
from tests.small import SMALL, arguments
from tests.zoo import ALL

SHAPES = {"RAFT": ((1, 3, 128, 128),) * 2, "S3D": ((1, 3, 16, 224, 224),), "SwinTransformer3d": ((1, 3, 4, 64, 64),)}
"""Of inputs smaller than the usual ones."""
FIRST = {"ConvNeXt": "block_setting", "FasterRCNN": "backbone", "VGG": "features"}
LAYERS = {"block": "BasicBlock", "layers": [1, 1, 1, 1]}


def test_every_class_that_a_builder_makes_is_here() -> None:
    assert set(names()) == {type(mv.open(name).structure()).__name__ for name in ALL}


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_laws(name: str) -> None:
    recipe = mv.open(f"torchvision:{name}", **arguments(name))
    pictures = tuple(torch.rand(shape) for shape in SHAPES[name]) if name in SHAPES else None
    built = check_recipe(recipe, inputs=pictures)
    assert type(built).__name__ == name


@pytest.mark.parametrize("name", sorted(set(names()) - {"RAFT"}))
def test_a_new_head(name: str) -> None:
    recipe = mv.open(f"torchvision:{name}", **arguments(name)).then(mv.SwapHead(7))
    assert re.search(r"\b(7|14|28|42|63)\b", recipe.changes()[0].summary)
    recipe.check()


@pytest.mark.parametrize(
    ("name", "keywords", "builder", "also"),
    [
        ("ConvNeXt", {}, "convnext_tiny", {}),
        ("EfficientNet", {}, "efficientnet_b0", {}),
        ("LRASPP", {}, "lraspp_mobilenet_v3_large", {}),
        ("RegNet", {}, "regnet_x_400mf", {}),
        ("SSD", {}, "ssd300_vgg16", {}),
        ("VGG", {}, "vgg11", {}),
        ("VideoResNet", {}, "r3d_18", {}),
        ("DeepLabV3", {}, "deeplabv3_resnet50", {"aux_loss": False}),
        ("FCN", {}, "fcn_resnet50", {"aux_loss": False}),
        ("RAFT", {}, "raft_small", {}),
        (
            "FasterRCNN",
            {"backbone": 'resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d)'},
            "fasterrcnn_resnet50_fpn",
            {},
        ),
    ],
)
def test_the_examples_make_what_builders_make(
    name: str, keywords: dict[str, Any], builder: str, also: dict[str, Any]
) -> None:
    ours = mv.open(f"torchvision:{name}", **{**EXAMPLES[name], **keywords}).structure().state_dict()
    theirs = mv.open(builder, **also).structure().state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_in_the_order_and_of_the_kinds_that_the_class_takes(name: str) -> None:
    rows = {row.name: row for row in keywords_of_class(name)}
    assert {row.name for row in rows.values() if row.required} <= set(EXAMPLES[name])
    assert list(EXAMPLES[name]) == [each for each in rows if each in EXAMPLES[name]]
    assert all(rows[each].example == value for each, value in EXAMPLES[name].items())


@pytest.mark.parametrize(
    ("name", "argument", "written"),
    [
        ("ConvNeXt", "[CNBlockConfig(96,  None, 2) ]", "[CNBlockConfig(96, None, 2)]"),
        ("ConvNeXt", ["CNBlockConfig(96, None, 2)"], "[CNBlockConfig(96, None, 2)]"),
        ("ConvNeXt", "[torchvision.models.convnext.CNBlockConfig(96, None, 2)]", "[CNBlockConfig(96, None, 2)]"),
        (
            "VGG",
            "torch.nn.Sequential(Conv2d(3, 8, 3), nn.Flatten())",
            "nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten())",
        ),
        ("VGG", "models.vgg11().features", "models.vgg11().features"),
        ("VGG", "make_layers([8, 'M'], batch_norm = True)", 'make_layers([8, "M"], batch_norm=True)'),
        (
            "VGG",
            "nn.Sequential(OrderedDict([('a', nn.Conv2d(3, 512, 3, padding=1))]))",
            'nn.Sequential(OrderedDict([("a", nn.Conv2d(3, 512, 3, padding=1))]))',
        ),
        (
            "FasterRCNN",
            "resnet_fpn_backbone(backbone_name='resnet18')",
            'resnet_fpn_backbone(backbone_name="resnet18", weights=None)',
        ),
        (
            "FasterRCNN",
            "models.detection.fasterrcnn_resnet50_fpn().backbone",
            "models.detection.fasterrcnn_resnet50_fpn(weights_backbone=None).backbone",
        ),
    ],
)
def test_one_spelling(name: str, argument: Any, written: str) -> None:
    source = TorchvisionClass(name, tuple({**arguments(name), FIRST[name]: argument}.items()))
    assert dict(source.keywords)[FIRST[name]] == written
    assert TorchvisionClass(name, source.keywords) == source


def test_values_that_are_plain_stay_plain() -> None:
    more = {"min_size": (64, 96), "image_mean": "[0.5, 0.5, 0.5]", "box_score_thresh": "0.5"}
    given = {**arguments("FasterRCNN"), **more}
    source = TorchvisionClass("FasterRCNN", tuple(given.items()))
    keywords = dict(source.keywords)
    assert (keywords["num_classes"], keywords["box_score_thresh"]) == (91, 0.5)
    assert (keywords["min_size"], keywords["image_mean"]) == ("[64, 96]", "[0.5, 0.5, 0.5]")
    assert source.example == ((1, 3, 64, 96),)


def test_a_layer_with_arguments_of_its_own_as_a_class() -> None:
    recipe = mv.open("torchvision:ResNet", **LAYERS, norm_layer="partial(nn.BatchNorm2d, eps=0.5)")
    assert recipe.structure().bn1.eps == 0.5
    assert "norm_layer=partial(nn.BatchNorm2d, eps=0.5)" in recipe.code()
    check_recipe(recipe)


def test_other_channels_come_in() -> None:
    recipe = mv.open("torchvision:VGG", features="nn.Sequential(nn.Conv2d(1, 512, 3, stride=4), nn.ReLU())")
    assert recipe.example == ((1, 1, 224, 224),)
    assert recipe.check().output == (1, 1000)


def test_names_that_two_classes_have_are_those_of_the_class_s_own_file() -> None:
    assert (
        "from torchvision.models.video.resnet import BasicBlock, BasicStem, Conv3DSimple"
        in mv.open("torchvision:VideoResNet", **EXAMPLES["VideoResNet"]).code()
    )
    features = "nn.Sequential(models.mobilenetv2.InvertedResidual(3, 512, 2, 1))"
    assert f"features={features}" in mv.open("torchvision:VGG", features=features).code()


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
        ("FrozenBatchNorm2d", "from torchvision.ops import FrozenBatchNorm2d"),
        ("BatchNorm2d", "norm_layer=nn.BatchNorm2d"),
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
        ("ResNet", {**LAYERS, "norm_layer": "os.system"}, "No class or function for norm_layer is called 'os.system'."),
        (
            "ResNet",
            {**LAYERS, "norm_layer": "Conv2d"},
            "norm_layer=nn.Conv2d) cannot be built: Conv2d.__init__() missing 2",
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
        ("VGG", {}, "VGG needs features. features is written as Python, such as make_layers([64, "),
        (
            "VGG",
            {"features": 3},
            'such as make_layers([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]). Got 3.',
        ),
        ("VGG", {"features": "nn.Sequential("}, "features is written as Python; got 'nn.Sequential('."),
        ("VGG", {"features": "import os"}, "features is written as Python; got 'import os'."),
        ("VGG", {"features": "\0"}, "features is written as Python; got '\\x00'."),
        ("VGG", {"features": "(" * 9_000}, "features is written as Python; got '((((("),
        ("VGG", {"features": "[" * 150 + "]" * 150}, "Got [[[[[["),
        ("VGG", {"features": " " * 20_001}, "features is at most 20,000 characters long; this has 20,001."),
        ("VGG", {"features": "open('/etc/passwd')"}, "No class or function for features is called 'open'."),
        ("VGG", {"features": "__import__('os').system('id')"}, "__import__('os').system('id')"),
        ("VGG", {"features": "nn.Module.__subclasses__()"}, "No class or function for features is called 'nn.Module."),
        ("VGG", {"features": "nn.init.xavier_()"}, "No class or function for features is called 'nn.init.xavier_'."),
        ("VGG", {"features": "(lambda: 1)()"}, "torchvision's classes; '(lambda: 1)()' is none of these."),
        ("VGG", {"features": "[x for x in []]"}, "'[x for x in []]' is none of these."),
        ("VGG", {"features": "nn.Conv2d(*[1, 2])"}, "'*[1, 2]' is none of these."),
        ("VGG", {"features": "nn.Conv2d(**{})"}, "'nn.Conv2d(**{})' is none of these."),
        ("VGG", {"features": "nn.Conv2d(1 + 2, 3, 3)"}, "features may hold numbers, texts, lists, and calls"),
        ("VGG", {"features": "not " * 4_000 + "1"}, "features"),
        ("VGG", {"features": "nn" + ".nn" * 6_000}, "features"),
        ("VGG", {"features": "nn.Sequential()[0]"}, "'nn.Sequential()[0]' is none of these."),
        ("VGG", {"features": "b'x'"}, "\"b'x'\" is none of these."),
        ("VGG", {"features": "{1: 2}"}, "The keys of a dict in features are texts, such as {'layer4': 'out'}."),
        ("VGG", {"features": "nn.Conv2d(3, 10**9, 3)"}, "'10**9' is none of these."),
        (
            "VGG",
            {"features": "nn.Conv2d(3, 1000000000, 3)"},
            "Numbers in features are at most 1,000,000; 1000000000 is",
        ),
        ("VGG", {"features": "nn.Dropout(1e999)"}, "Numbers in features are at most 1,000,000; inf is in it."),
        ("VGG", {"features": "nn.Conv2d(3)"}, "nn.Conv2d also needs 'out_channels'."),
        (
            "VGG",
            {"features": "nn.Conv2d(3, 8, 3, strde=2)"},
            "argument of nn.Conv2d is called 'strde'. Did you mean 'stri",
        ),
        (
            "VGG",
            {"features": "nn.Conv2d(3, 8, 3, device='cuda')"},
            "nn.Conv2d is called without device: modelview sets",
        ),
        (
            "VGG",
            {"features": "nn.Linear(3, 8, True, 'cuda')"},
            "nn.Linear is called without device: modelview sets it.",
        ),
        ("VGG", {"features": "nn.Conv2d(3, 8, 3, groups=2)"}, "in_channels must be divisible by groups"),
        ("VGG", {"features": "[nn.ReLU()] * 100000"}, "A list in features is repeated 1 to 10,000 times; got 100,000."),
        ("VGG", {"features": "[[0] * 1000] * 1000"}, "A list in features holds at most 10,000 values."),
        (
            "VGG",
            {"features": "models.vgg11(weights='DEFAULT')"},
            "weights in features has to be None: nothing is downl",
        ),
        ("VGG", {"features": "models.vgg11(pretrained=True)"}, "No argument of models.vgg11 is called 'pretrained'."),
        ("VGG", {"features": "models.vgg11('DEFAULT')"}, "models.vgg11 gets more values than it takes"),
        ("VGG", {"features": "models.vgg11().feature"}, "No child of models.vgg11(...) is called 'feature'. Did you m"),
        ("VGG", {"features": "models.vgg11().features.__class__"}, "is called '__class__'."),
        ("VGG", {"features": "models.vgg11"}, "Write models.vgg11 in features as a call: models.vgg11(...)."),
        ("VGG", {"features": "make_layers([8] * 9000)", "dropout": 2.0}, "has too many layers to be looked at."),
        (
            "VGG",
            {"features": "nn.Sequential(InvertedResidual(3, 8, 1, 1))"},
            "is called 'InvertedResidual'. Did you mean",
        ),
        (
            "FasterRCNN",
            {"backbone": "resnet_fpn_backbone(backbone_name='resnet18', weights='DEFAULT')"},
            "weights in backbone has to be None: nothing is downloaded here. Load weights afterwards.",
        ),
        (
            "FasterRCNN",
            {"backbone": "models.detection.fasterrcnn_resnet50_fpn(weights_backbone='DEFAULT').backbone"},
            "weights_backbone in backbone has to be None: nothing is downloaded here.",
        ),
        ("FasterRCNN", {"backbone": "models.resnet18()"}, "backbone should contain an attribute out_channels"),
        ("FasterRCNN", {"backbone": EXAMPLES["FasterRCNN"]["backbone"]}, "num_classes should not be None when"),
        ("ConvNeXt", {"block_setting": [1, 2]}, "cannot be built: The block_setting should be List[CNBlockConfig]."),
        ("ConvNeXt", {"block_setting": "[CNBlockConfig(96)]"}, "CNBlockConfig also needs 'out_channels'"),
        ("ConvNeXt", {"block_setting": "[CNBlockConfig(96, None, 100000)]"}, "has too many layers to be looked at."),
        (
            "ResNet",
            {**LAYERS, "norm_layer": "nn.BatchNorm2d(8)"},
            "norm_layer is the name of a class. Got nn.BatchNorm2d",
        ),
        ("ResNet", {**LAYERS, "norm_layer": "partial(models.vgg11)"}, "Write models.vgg11 in norm_layer as a call"),
        ("ResNet", {**LAYERS, "norm_layer": "partial()"}, "norm_layer is the name of a class. Got partial()."),
        (
            "ResNet",
            {**LAYERS, "block": "partial(nn.Linear, 3)"},
            "such as 'BasicBlock' or 'Bottleneck'. Got partial(nn.",
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
