"""One class where an edit changes the forward of a class that an earlier edit wrote; two where both are needed."""

import re

import pytest

import modelview as mv
from modelview import (
    AdaptInput,
    AddInput,
    AddOutputs,
    Append,
    Detach,
    Freeze,
    FuseStages,
    Layer,
    Prefix,
    Rename,
    ReplaceLayer,
    SwapHead,
    Truncate,
)
from modelview.edits.base import Edit
from modelview.recipe import Recipe
from modelview.rewrite import merged
from modelview.script import Code
from tests.laws import check_recipe

pytestmark = pytest.mark.long

FURTHER = Append((("relu", Layer("ReLU()")), ("fc1", Layer("Linear(1000, 10)"))), "wrap")


def classes(code: str) -> dict[str, str]:
    """What each class stands on, by its name."""
    return dict(re.findall(r"^class (\w+)\((.+)\):$", code, re.MULTILINE))


def edited(recipe: Recipe, *edits: Edit) -> Recipe:
    for edit in edits:
        recipe = recipe.then(edit)
    return recipe


RESNET = mv.open("resnet18")
UNET = mv.open("modelview:unet", n_channels=3, n_classes=2)
ROWS = {"inc": "DoubleConv(_, 8)", "down1": "Down(_, 16)", "up1": "Up(_, 8, bilinear=True)"}
SKIPS = mv.open("modelview:moduledict", rows=ROWS, input=(1, 3, 16, 16))
DETACHED = Detach("layer1")


@pytest.mark.parametrize(
    ("recipe", "expected", "title"),
    [
        (
            edited(RESNET, FURTHER, AddOutputs(("net",))),
            {"ResNetWithReluFc1WithNet": "nn.Module"},
            "ResNet with 2 more layers after its output, that returns `net` beside its output.",
        ),
        (
            edited(RESNET, Truncate("layer2"), AddOutputs(("layer1",)), DETACHED),
            {"ResNetToLayer2WithLayer1DetachedAtLayer1": "nn.Module"},
            "ResNet up to `layer2`, that returns `layer1` beside its output, whose gradient ends after `layer1`.",
        ),
        (
            edited(RESNET, FuseStages(("layer1", "layer2"), 3), DETACHED),
            {"FusedResNetDetachedAtLayer1": "ResNet"},
            "ResNet that classifies by `layer1`, `layer2` together, whose gradient ends after `layer1`.",
        ),
        (
            edited(RESNET, Rename((("layer1", "first"),)), Detach("first")),
            {"RenamedResNetDetachedAtFirst": "ResNet"},
            "ResNet where `layer1` is `first`, whose gradient ends after `first`.",
        ),
        (  # a class that only takes what the model holds needs no forward of the model
            edited(RESNET, DETACHED, Truncate("layer3")),
            {"ResNetDetachedAtLayer1ToLayer3": "nn.Module"},
            "ResNet whose gradient ends after `layer1`, up to `layer3`.",
        ),
        (
            edited(RESNET, DETACHED, FuseStages(("layer1", "layer2"), 3, style="wrap")),
            {"FusedResNetDetachedAtLayer1": "nn.Module"},
            "ResNet whose gradient ends after `layer1`, that classifies by `layer1`, `layer2` together.",
        ),
        (  # what is cut again is cut once
            edited(RESNET, Truncate("layer4"), Truncate("layer3.1"), Truncate("layer3.0"), Prefix("a.")),
            {"ResNetToLayer3_0": "nn.Module"},
            "ResNet up to `layer3.0`.",
        ),
        (
            edited(RESNET, AddOutputs(("layer1",)), Truncate("layer4"), Truncate("layer2.0.conv1")),
            {"ResNetWithLayer1ToLayer2_0Conv1": "nn.Module"},
            "ResNet that returns `layer1` beside its output, up to `layer2.0.conv1`.",
        ),
        (  # a layer that the first made is made by the second
            edited(RESNET, Truncate("layer4", pool=True, flatten=True), Truncate("pool")),
            {"ResNetToPool": "nn.Module"},
            "ResNet up to `pool`.",
        ),
        (
            edited(RESNET, FURTHER, Truncate("relu")),
            {"ResNetWithReluFc1ToRelu": "nn.Module"},
            "ResNet with 2 more layers after its output, up to `relu`.",
        ),
        (  # one goes on where the other ends
            edited(RESNET, AddInput("age", 2), AddInput("height", 1, style="keep")),
            {"ResNetWithAgeWithHeight": "nn.Module"},
            "ResNet with another input, `age`, with another input, `height`.",
        ),
        (
            edited(RESNET, Truncate("layer3.0"), Append((("x", Layer("ReLU()")),))),
            {"ResNetToLayer3_0WithX": "nn.Module"},
            "ResNet up to `layer3.0`, with 1 more layer after its output.",
        ),
        (
            edited(RESNET, FuseStages(("layer1", "layer2"), 3), AddInput("age", 2, style="keep")),
            {"FusedResNetWithAge": "ResNet"},
            "ResNet that classifies by `layer1`, `layer2` together, with another input, `age`.",
        ),
        (
            edited(RESNET, AddInput("age", 2), Truncate("net.layer2")),
            {"ResNetWithAgeToNetLayer2": "nn.Module"},
            "ResNet with another input, `age`, up to `net.layer2`.",
        ),
    ],
)
def test_one_is_enough(recipe: Recipe, expected: dict[str, str], title: str) -> None:
    code = recipe.code()
    assert classes(code) == expected
    assert f'"""{title}"""' in code
    check_recipe(recipe)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (  # it calls the forward of the other, which hooks stand around
            edited(mv.open("googlenet"), Detach("inception3a"), Append((("more", Layer("ReLU()")),))),
            {
                "GoogLeNetDetachedAtInception3A": "GoogLeNet",
                "GoogLeNetDetachedAtInception3AWithMore": "GoogLeNetDetachedAtInception3A",
            },
        ),
        (  # its input is called as a variable of the other
            edited(RESNET, FuseStages(("layer1", "layer2"), 3), AddInput("layer1", 2, style="keep")),
            {"FusedResNet": "ResNet", "FusedResNetWithLayer1": "FusedResNet"},
        ),
        (
            edited(RESNET, DETACHED, AddInput("age", 2)),
            {"ResNetDetachedAtLayer1": "ResNet", "ResNetDetachedAtLayer1WithAge": "nn.Module"},
        ),
        (  # its parts stand in a module that the other made
            edited(RESNET, FURTHER, FuseStages(("net.layer1", "net.layer2"), 3, style="wrap")),
            {"ResNetWithReluFc1": "nn.Module", "FusedResNetWithReluFc1": "nn.Module"},
        ),
        (  # what is between them says the first
            edited(RESNET, Truncate("layer4"), Freeze("layer1"), Truncate("layer3")),
            {"ResNetToLayer4": "nn.Module", "ResNetToLayer4ToLayer3": "nn.Module"},
        ),
        (  # an argument of the other would say nothing any more
            edited(SKIPS, Detach("layers.down1")),
            {"SkipDict": "nn.Module", "SkipDictDetachedAtLayersDown1": "SkipDict"},
        ),
    ],
)
def test_both_are_needed(recipe: Recipe, expected: dict[str, str]) -> None:
    found = classes(recipe.code())
    assert {name: base for name, base in found.items() if name in expected} == expected
    check_recipe(recipe)


TAKEN = """class First(nn.Module):
    \"\"\"Model held.\"\"\"

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.rows = net.rows[:3]
        self.more = nn.Sequential(nn.Linear(2, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.more(self.net(x))
"""
TAKES = """class Second(nn.Module):
    \"\"\"First held.\"\"\"

    def __init__(self, model: Any) -> None:
        super().__init__()
        {}

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x)
"""


@pytest.mark.parametrize(
    ("reads", "instead"),
    [
        ("self.a = model.net.layer1", "self.a = model.layer1"),
        ('self.a = nn.ModuleDict({"net": model.net.net})', 'self.a = nn.ModuleDict({"net": model.net})'),
        ("self.a = model.rows", "self.a = model.rows[:3]"),
        ("self.a = model.rows[:2]", "self.a = model.rows[:2]"),
        ("self.a = model.rows[1].conv", "self.a = model.rows[1].conv"),
        ("self.a = model.more", "self.a = nn.Sequential(nn.Linear(2, 3), nn.ReLU())"),
        ('self.a = model.more["0"]', None),
        ("self.a = model.more[0]", None),  # a part of what is made for the first
        ("self.a = nn.ModuleList([model.more, model.more])", None),  # two of which would be made
        ("self.a = model.other", None),
        ("self.a = model", None),
        ('self.a = model.get_submodule("more")', None),
    ],
)
def test_parts_are_taken_from_where_the_first_took_them(reads: str, instead: str | None) -> None:
    codes = [Code(("model = First(model)",), (TAKEN,)), Code(("model = Second(model)",), (TAKES.format(reads),))]
    first, second = merged(codes)
    assert first.statements == (() if instead else codes[0].statements)
    assert f"\n        {instead or reads}\n" in second.definitions[0]


def test_a_class_that_the_source_wrote_takes_the_new_forward() -> None:
    recipe = edited(UNET, Detach("down1"))
    code = recipe.code()
    assert "UNet" not in classes(code)
    assert (
        "class UNetDetachedAtDown1(nn.Module):\n"
        '    """UNet whose gradient ends after `down1`.\n\n    Four steps down, four up' in code
    )
    assert "model = UNetDetachedAtDown1(n_channels=3, n_classes=2)" in code
    check_recipe(recipe)


def test_what_nothing_reads_any_more_is_not_imported() -> None:
    code = edited(RESNET, FuseStages(("layer1", "layer2"), 3), DETACHED, Truncate("layer2")).code()
    assert "from torch.nn import functional as F" not in code
    assert "from torchvision.models import ResNet" not in code


@pytest.mark.parametrize(
    ("recipe", "statements"),
    [
        (
            edited(mv.open("googlenet"), SwapHead(4), SwapHead(2)),
            [
                "model.aux1.fc2 = nn.Linear(1024, 2)",
                "model.aux2.fc2 = nn.Linear(1024, 2)",
                "model.fc = nn.Linear(1024, 2)",
            ],
        ),
        (edited(RESNET, SwapHead(4, hidden=(8,)), SwapHead(3)), ["model.fc = nn.Linear(512, 3)"]),
        (
            edited(mv.open("mobilenet_v2"), SwapHead(3), ReplaceLayer("classifier", Layer("Linear(1280, 2)"))),
            ["model.classifier = nn.Linear(1280, 2)"],
        ),
        (  # the second stands in the first
            edited(RESNET, SwapHead(4, hidden=(8,)), ReplaceLayer("fc.fc1", Layer("Linear(512, 8, bias=False)"))),
            ["model.fc = nn.Sequential(OrderedDict([", "model.fc.fc1 = nn.Linear(512, 8, bias=False)"],
        ),
        (  # something reads the first
            edited(RESNET, SwapHead(4), AdaptInput(1), SwapHead(3)),
            ["model.fc = nn.Linear(512, 4)", "model.fc = nn.Linear(512, 3)"],
        ),
    ],
)
def test_a_layer_that_another_replaces_at_once_is_not_made(recipe: Recipe, statements: list[str]) -> None:
    found = [line.strip() for line in recipe.code().split("\n")]
    assert [line for line in found if line.startswith(("model.fc", "model.aux", "model.classifier"))] == statements
    assert ("OrderedDict" in recipe.code()) == any("OrderedDict" in line for line in statements)
    check_recipe(recipe)


def test_variables_keep_their_names_in_a_forward_that_is_written_again() -> None:
    vit = mv.open("vit_b_32")
    code = edited(vit, Detach("encoder.layers.encoder_layer_1"), AddInput("age", 2, where="before")).code()
    assert "        n, _, h, w = x.shape\n" in code
    assert "        n_h = h // self.net.patch_size\n" in code
    assert "        batch_class_token = self.net.class_token.expand(n, -1, -1)\n" in code
    fused = edited(RESNET, FuseStages(("layer1", "layer2"), 3), DETACHED).code()
    assert "x = torch.cat([F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(layer2, 1)], dim=1)" in fused
