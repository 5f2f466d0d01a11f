import subprocess
import sys
from pathlib import Path

import pytest

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
from modelview.sources.torchvision import Torchvision

GOLDEN = Path(__file__).parent.parent / "golden"
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
    path = export(Recipe(Torchvision(model), tuple(edits)), "python", tmp_path / f"{name}.py")
    golden = GOLDEN / f"{name}.py"
    if request.config.getoption("--overwrite"):
        golden.write_text(path.read_text())
    assert path.read_text() == golden.read_text()


def test_a_linter_passes_on_it() -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I,UP,B", "--line-length", "110"]
    done = subprocess.run([*ruff, str(GOLDEN)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_type_checker_passes_on_it(tmp_path: Path) -> None:
    """As it runs by itself, on each file; torchvision has no types."""
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nwarn_unreachable = true\n[mypy-torchvision.*]\nignore_missing_imports = true\n")
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--scripts-are-modules"]
    done = subprocess.run([*mypy, *map(str, sorted(GOLDEN.glob("*.py")))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
