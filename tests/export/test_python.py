import subprocess
import sys
from pathlib import Path

import pytest

import modelview as mv
from modelview import (
    AdaptInput,
    AddInput,
    AddOutputs,
    Append,
    DeleteLayer,
    Detach,
    FirstChildren,
    Freeze,
    FuseStages,
    InsertLayer,
    Layer,
    LearningRates,
    Prefix,
    Rename,
    ReplaceLayer,
    SelectClasses,
    SwapHead,
    Truncate,
)
from modelview.edits.base import Edit
from modelview.export.base import export
from modelview.recipe import Recipe
from modelview.sources.torchvision_class import EXAMPLES

GOLDEN = Path(__file__).parent.parent / "golden"


def opened(name: str) -> Recipe:
    """A model of torchvision, or a class of it with the arguments that its form begins with."""
    return mv.open(f"torchvision:{name}", **EXAMPLES.get(name, {}))


_TUTORIAL = (
    ("relu", Layer("ReLU()")),
    ("dropout", Layer("Dropout(0.5)")),
    ("fc1", Layer("Linear(1000, 10)")),
    ("output", Layer("Softmax(dim=1)")),
)
RECIPES: dict[str, tuple[str, list[Edit]]] = {
    "resnet50_head": ("resnet50", [SwapHead(10), Freeze("*", except_="fc")]),
    "resnet50_deep_head": ("resnet50", [SwapHead(10, hidden=(128,), dropout=0.5, softmax=True)]),
    "resnet50_truncated": ("resnet50", [Truncate("layer3.1", pool=True, flatten=True), SwapHead(10)]),
    "resnet18_inside_a_block": ("resnet18", [Truncate("layer2.0.conv2")]),
    "vit_b_16_encoder": ("vit_b_16", [Truncate("encoder")]),
    "fasterrcnn_head": ("fasterrcnn_resnet50_fpn", [SwapHead(3)]),
    "densenet121_inside": ("densenet121", [Truncate("features.denseblock2.denselayer3.conv1")]),
    "raft_stopped": ("raft_small", [Truncate("feature_encoder.layer2")]),
    "class_of_blocks_fused": ("ConvNeXt", [FuseStages(("features.1", "features.3"), 10)]),
    "class_with_a_backbone": ("FasterRCNN", [SwapHead(3), Freeze("backbone", except_="backbone.fpn")]),
    "detached_backbone": ("fasterrcnn_resnet50_fpn", [Detach("backbone"), SwapHead(3)]),
    "features_returned": ("deeplabv3_resnet50", [AddOutputs(("backbone",), form="dict")]),
    "fused_stages": ("resnet50", [FuseStages(("layer1", "layer2", "layer3", "layer4"), 10)]),
    "fused_stages_wrapped": ("resnet50", [FuseStages(("layer1", "layer4"), 1, style="wrap")]),
    "another_input": ("resnet18", [AddInput(num_outputs=10, before=_TUTORIAL[:2], softmax=True)]),
    "another_input_inside": ("resnet18", [AddInput(at="layer2", size=3, style="keep")]),
    "another_input_hooked": ("fasterrcnn_resnet50_fpn", [AddInput(at="backbone.body.layer2", size=2)]),
    "another_output": ("resnet18", [Append(_TUTORIAL, style="wrap"), AddOutputs(("net",))]),
    "pyramid": ("resnet18", [AddOutputs(("layer1", "layer2.0"), ("fine", "coarse"), "dict", keep_final=False)]),
    "detached": ("vit_b_16", [Detach("encoder.layers.encoder_layer_3")]),
    "rows": (
        "vgg11",
        [
            InsertLayer("features.3", "BatchNorm2d()"),
            DeleteLayer("features.1", renumber=True),
            InsertLayer("features.0", "Dropout(0.1)", name="drop"),
        ],
    ),
    "renamed_inside": (
        "squeezenet1_1",
        [Rename((("features.3.squeeze", "reduce"), ("features.4.squeeze", "reduce"), ("features.3", "fire")))],
    ),
    "renamed_by_properties": ("raft_small", [Rename((("feature_encoder", "features"),))]),
    "renamed": ("vgg11", [Rename((("features.0", "stem"), ("classifier", "head")))]),
    "first_children": ("resnet18", [FirstChildren(2), Prefix("backbone.")]),
    "in_a_chain": (
        "resnet18",
        [
            Truncate("layer3", pool=True, flatten=True),
            SwapHead(10),
            AddInput(num_outputs=4),
            Freeze("*", except_="fc_add"),
        ],
    ),
    "adapted": ("resnet18", [AdaptInput(4), SelectClasses((1, 5, 9))]),
    "replaced": ("mobilenet_v3_small", [ReplaceLayer("classifier.1", "ReLU(inplace=True)"), SwapHead(2)]),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_code_is_as_it_was_read_and_approved(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    model, edits = RECIPES[name]
    path = export(Recipe(opened(model).source, tuple(edits)), "python", tmp_path / f"{name}.py")
    golden = GOLDEN / f"{name}.py"
    if request.config.getoption("--overwrite"):
        golden.write_text(path.read_text())
    assert path.read_text() == golden.read_text()


NESTED = Truncate("features.3")
AWKWARD: dict[str, Recipe] = {
    "a_subclass_of_sequential": opened("squeezenet1_1").then(Prefix("module.")).then(Detach("module.features.7")),
    "rows_without_names": opened("resnet18")
    .then(Append([("more", Layer("Linear(1000, 3)"))], style="sequential"))
    .then(AddInput(at="0.layer4.0.relu", size=2, style="keep")),
    "modules_with_tensors": opened("convnext_tiny").then(Truncate("features.3.0.stochastic_depth")),
    "inside_a_prefix": opened("vit_b_16")
    .then(Prefix("a.b."))
    .then(Truncate("a.b.encoder.layers.encoder_layer_1.mlp.1")),
    "sizes": opened("vit_b_16")
    .then(AddInput("age", 2, at="encoder.layers", style="keep"))
    .then(AddInput("sex", 1, at="encoder.ln", style="keep")),
    "chunks": opened("shufflenet_v2_x0_5").then(AddOutputs(("stage2.0",))).then(Detach("stage2.1.branch2.6")),
    "parts_of_a_dict": opened("deeplabv3_mobilenet_v3_large").then(AddOutputs(("backbone",))).then(Detach("backbone")),
    "parts_of_a_tuple": opened("mvit_v1_b").then(FuseStages(("blocks.1.norm1", "blocks.1.attn.qkv"), 3)),
    "a_hooked_dict": opened("fasterrcnn_resnet50_fpn").then(AddOutputs(("backbone",))).then(Detach("backbone")),
    "rows_in_rows": opened("squeezenet1_1")
    .then(FirstChildren(1))
    .then(Detach("0.3"))
    .then(AddOutputs(("0.4.squeeze",))),
    "another_size_later": opened("vit_b_16")
    .then(Truncate("encoder.layers.encoder_layer_3"))
    .then(AdaptInput(size=384)),
    "several_then_one": opened("resnet18").then(AddOutputs(("layer1",))).then(FuseStages(("layer2", "layer3"), 2)),
    "several_detached": opened("resnet18").then(AddOutputs(("layer1",))).then(Detach("layer2")),
    "two_optimizers": opened("densenet121")
    .then(LearningRates((("features.denseblock2", "1e-4"),)))
    .then(SwapHead(3))
    .then(LearningRates((("classifier", "1e-2"),))),
    "hooks_on_a_sequential": opened("ssdlite320_mobilenet_v3_large")
    .then(Prefix("module."))
    .then(AddOutputs("module.backbone.features.0")),
    "long_names": opened("maxvit_t")
    .then(AddOutputs("blocks.0.layers.0.layers.MBconv.layers.squeeze_excitation"))
    .then(FuseStages(("blocks.0.layers.0.layers.window_attention", "blocks.1"), 3)),
    "a_composed_model": mv.open("modelview:unet")
    .then(AddOutputs("down4.maxpool_conv.1.double_conv.0"))
    .then(AddInput(at="up1.conv", size=2, style="keep")),
    "a_model_in_a_row": mv.open(
        "modelview:moduledict",
        rows={"a": opened("vgg11").then(NESTED), "mid": "Conv2d(_, 3, 1)", "b": opened("vgg13").then(NESTED)},
    ).then(Freeze("layers.a")),
    "skips": mv.open(
        "modelview:moduledict",
        rows={"inc": "DoubleConv(_, 8)", "down": "Down(_, 16)", "up": "Up(_, 8, True)", "outc": "OutConv(_, 2)"},
    ).then(AddOutputs("layers.down")),
    "skips_by_number": mv.open(
        "modelview:modulelist", rows=["DoubleConv(_, 8)", "Down(_, 16)", "Up(_, 8)", "UNet(_, 2)"]
    ),
    "a_part_of_torch_renamed": opened("vit_b_16").then(
        Rename((("encoder.layers.encoder_layer_1.self_attention.out_proj", "out"),))
    ),
    "numbers_renamed": opened("deeplabv3_mobilenet_v3_large").then(
        Rename((("classifier.0.convs.4.1", "conv"), ("classifier.0", "pyramid"), ("backbone.1", "first")))
    ),
    "classes_of_the_script_renamed": mv.open("modelview:unet").then(
        Rename(
            (("inc.double_conv", "body"), ("down1.maxpool_conv.1", "convs"), ("outc.conv", "last"), ("outc", "head"))
        )
    ),
    "a_long_line": opened("densenet121").then(
        InsertLayer("features.denseblock4.denselayer1.norm1", "Conv2d(kernel_size=1)", "around", "extra")
    ),
    "norms": opened("resnet18").then(Freeze("layer1", batchnorm="frozen")).then(SelectClasses(tuple(range(100)))),
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The approved scripts, and those of recipes that made it hard to please linters and type checkers."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, recipe in AWKWARD.items():
        recipe.check()
        (folder / f"{name}.py").write_text(recipe.code())
    return [str(path) for path in (*sorted(GOLDEN.glob("*.py")), *sorted(folder.glob("*.py")))]


@pytest.mark.long
def test_a_linter_passes_on_it(scripts: list[str]) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I,UP,B", "--line-length", "110"]
    done = subprocess.run([*ruff, *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_a_type_checker_passes_on_it(scripts: list[str], tmp_path: Path) -> None:
    """As it runs by itself, on each file; torchvision has no types."""
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nwarn_unreachable = true\n[mypy-torchvision.*]\nignore_missing_imports = true\n")
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--scripts-are-modules"]
    done = subprocess.run([*mypy, *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_two_optimizers_the_last_counts() -> None:
    code = AWKWARD["two_optimizers"].code()
    assert code.count("def make_optimizer(model: Any)") == 1
    assert "model.classifier.parameters()" in code
