"""Row 12: saved under DataParallel or DDP and opened singly, saved singly and opened in parallel, many to many."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

import modelview as mv
from modelview import files
from modelview.cli import main
from modelview.recognised import recognise
from tests.laws import run
from tests.tutorials.comparing import picture


def net() -> nn.Module:
    return models.resnet18(weights=None, num_classes=7).eval()


def assert_opens_as(path: Path, model: nn.Module) -> mv.Recipe:
    recipe = mv.open(path)
    assert recipe.source == mv.open("resnet18", num_classes=7).source
    assert list(recipe.build().state_dict()) == list(model.state_dict())
    assert torch.equal(run(recipe.build(), (picture(),)), run(model, (picture(),)))
    return recipe


def test_saved_by_many_opened_by_one(tmp_path: Path) -> None:
    model = net()
    torch.save(nn.DataParallel(model).state_dict(), tmp_path / "many.pth")
    by_hand = net()
    by_hand.load_state_dict(
        {name.replace("module.", "", 1): v for name, v in torch.load(tmp_path / "many.pth", weights_only=True).items()}
    )
    assert torch.equal(run(by_hand, (picture(),)), run(model, (picture(),)))
    assert mv.read(tmp_path / "many.pth").prefix == "module."
    assert_opens_as(tmp_path / "many.pth", model)
    assert "'module.' was taken off every name" in recognise(files.give(tmp_path / "many.pth")).sentence


@pytest.mark.long
def test_saved_by_one_opened_by_many(tmp_path: Path) -> None:
    """On export the prefix is put on or left off: as an option of the file, or as part of the model."""
    recipe = mv.open("resnet18", num_classes=7)
    model = recipe.build()
    written = mv.export(recipe, "state_dict", tmp_path / "option.pth", prefix="module.")
    edited = mv.export(recipe.then(mv.Prefix("module.")), "state_dict", tmp_path / "edit.pth")
    by_command = tmp_path / "command.pth"
    assert main(["open", "resnet18", "--with", "num_classes=7", "-o", str(tmp_path / "r.json")]) == 0
    options = ["--options", '{"prefix": "module."}']
    assert main(["export", str(tmp_path / "r.json"), "--format", "state_dict", "-o", str(by_command), *options]) == 0
    for path in (written, edited, by_command):
        parallel = nn.DataParallel(net())
        parallel.load_state_dict(torch.load(path, weights_only=True))
        assert torch.equal(run(parallel.module.eval(), (picture(),)), run(model, (picture(),)))
        assert_opens_as(path, model)


@pytest.mark.long
@pytest.mark.parametrize("device_ids", [[0, 1], [3, 2, 1, 0]])
def test_a_whole_parallel_model_with_other_devices(device_ids: list[int], tmp_path: Path) -> None:
    """Its `.module` is the model; the device numbers that it was saved with are of no use here."""
    model = net()
    parallel = nn.DataParallel(model)
    parallel.device_ids, parallel.output_device = device_ids, device_ids[0]
    torch.save(parallel, tmp_path / "whole.pth")
    assert_opens_as(tmp_path / "whole.pth", model)
    numbers = ", ".join(map(str, device_ids))
    (note,) = mv.read(tmp_path / "whole.pth").notes
    assert note.startswith(f"The model was saved inside DataParallel on devices {numbers}, which are ignored")


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "state_dict"])
def test_tags_of_other_devices_open_on_a_cpu(whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    content: Any = model if whole else nn.DataParallel(model).state_dict()
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:3")
        torch.save(content, tmp_path / "cuda.pth")
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(tmp_path / "cuda.pth", weights_only=False)
    assert_opens_as(tmp_path / "cuda.pth", model)
