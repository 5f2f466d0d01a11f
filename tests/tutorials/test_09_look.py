"""Row 9: look at a model: what print, `_modules`, `named_*` and `state_dict()` say, and one layer's values."""

import json
from pathlib import Path

import pytest
import torch
from torchvision import models

import modelview as mv
from modelview.cli import main
from modelview.inspect.stored import stored

NET = models.resnet18(weights=None)
RECIPE = mv.open("resnet18")


def test_print() -> None:
    assert str(RECIPE.build()) == str(NET)
    assert str(RECIPE.structure()) == str(NET)


def test_children_and_modules() -> None:
    rows = {row.path: row.kind for row in mv.modules(mv.trace(RECIPE))}
    assert rows == {name: type(module).__name__ for name, module in NET.named_modules(remove_duplicate=False)}
    assert [path for path in rows if path and "." not in path] == list(NET._modules)
    assert [path for path in rows if path and "." not in path] == [name for name, _ in NET.named_children()]


def test_named_parameters_and_state_dict() -> None:
    rows = mv.parameters(RECIPE)
    assert [(row.path, row.shape) for row in rows] == [(name, tuple(p.shape)) for name, p in NET.named_parameters()]
    assert all(row.trainable for row in rows)
    buffers = [row.path for row in mv.buffers(RECIPE)]
    assert {*(row.path for row in rows), *buffers} == set(NET.state_dict())
    assert [name for name in NET.state_dict() if name in buffers] == buffers


def test_the_same_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "resnet18", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in document["modules"]] == [n for n, _ in NET.named_modules(remove_duplicate=False)]
    assert [row["path"] for row in document["parameters"]] == [name for name, _ in NET.named_parameters()]
    assert document["totals"]["n_parameters"] == sum(p.numel() for p in NET.parameters())


def test_one_layers_values(tmp_path: Path) -> None:
    """Of a file, that tensor alone is read; of a recipe, the built model has them."""
    torch.save(NET.state_dict(), tmp_path / "net.pth")
    values = NET.layer1[0].conv1.weight.detach()
    ck = mv.read(tmp_path / "net.pth")
    assert torch.equal(ck.tensor("layer1.0.conv1.weight"), values)
    row = stored(ck, "layer1.0.conv1.weight")
    assert row.statistics.n_elements == values.numel()
    assert row.statistics.mean == pytest.approx(values.mean().item(), abs=1e-7)
    assert (row.statistics.min, row.statistics.max) == (values.min().item(), values.max().item())
    built = mv.open(tmp_path / "net.pth").build()
    assert torch.equal(built.get_parameter("layer1.0.conv1.weight"), values)
