import subprocess
import sys
from pathlib import Path

import pytest

from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.replace_layer import ReplaceLayer
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.export.base import export
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision

GOLDEN = Path(__file__).parent.parent / "golden"
RECIPES: dict[str, tuple[str, list[Edit]]] = {
    "resnet50_head": ("resnet50", [SwapHead(10), Freeze("*", except_="fc")]),
    "resnet50_deep_head": ("resnet50", [SwapHead(10, hidden=(128,), dropout=0.5, softmax=True)]),
    "resnet50_truncated": ("resnet50", [Truncate("layer3.1", pool=True, flatten=True), SwapHead(10)]),
    "resnet18_inside_a_block": ("resnet18", [Truncate("layer2.0.conv2")]),
    "vit_b_16_encoder": ("vit_b_16", [Truncate("encoder")]),
    "fasterrcnn_head": ("fasterrcnn_resnet50_fpn", [SwapHead(3)]),
    "densenet121_inside": ("densenet121", [Truncate("features.denseblock2.denselayer3.conv1")]),
    "raft_stopped": ("raft_small", [Truncate("feature_encoder.layer2")]),
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
