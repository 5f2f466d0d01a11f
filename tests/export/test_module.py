from pathlib import Path

import pytest
import torch

from modelview.edits.base import Edit
from modelview.edits.freeze import Freeze
from modelview.edits.swap_head import SwapHead
from modelview.edits.truncate import Truncate
from modelview.errors import EditError
from modelview.export.base import EXPORTS, export
from modelview.export.module import pickled_names
from modelview.recipe import Recipe
from modelview.sources.torchvision import Torchvision
from tests.laws import example, run, trainable
from tests.runner import runner
from tests.zoo import exact


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        ("shufflenet_v2_x0_5", [SwapHead(4, hidden=(8,)), Freeze("*", except_="fc")]),
        ("shufflenet_v2_x0_5", [Truncate("stage3.1.branch2.1"), SwapHead(4)]),
        ("resnet18", [Truncate("layer1.0.relu", pool=True, flatten=True)]),
        ("densenet121", [Truncate("features.denseblock1.denselayer2"), Freeze("*.conv1")]),
        ("lraspp_mobilenet_v3_large", [SwapHead(3)]),
        ("ssdlite320_mobilenet_v3_large", [SwapHead(3)]),
    ],
)
def test_it_loads_where_modelview_is_not(name: str, edits: list[Edit], tmp_path: Path) -> None:
    recipe = Recipe(Torchvision(name), tuple(edits))
    model = recipe.build()
    path = export(recipe, "module", tmp_path / "whole.pth", model=model)
    assert not any(found.startswith("modelview") for found in pickled_names(path))
    args = example(recipe)
    answer = runner().ask(module=str(path), inputs=args)
    assert answer["keys"] == list(model.state_dict())
    assert answer["requires_grad"] == trainable(model)
    assert exact(answer["outputs"], run(model, args))
    assert answer["out_channels"] == getattr(model, "out_channels", None)


def test_a_stopped_forward_is_refused_with_what_works(tmp_path: Path) -> None:
    recipe = Recipe(Torchvision("ssdlite320_mobilenet_v3_large")).then(Truncate("backbone.features.0.3"))
    with pytest.raises(EditError, match=r"Export python and state_dict instead\.$"):
        export(recipe, "module", tmp_path / "whole.pth")
    assert EXPORTS["module"]().refusal(recipe)
    assert list(tmp_path.iterdir()) == []


def test_pickled_names_are_read_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Touches:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return exec, (f"open({str(marker)!r}, 'w')",)

    torch.save(Touches(), tmp_path / "bad.pth")
    assert pickled_names(tmp_path / "bad.pth") == {"__builtin__.exec"}
    assert not marker.exists()
