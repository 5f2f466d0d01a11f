"""Row 13: what matches loads, by `strict=False` or by filtering names; the rest is listed first."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

import modelview as mv
from modelview.cli import main
from modelview.recipe import structure_of

# The tutorial's own.


def pretrained(folder: Path) -> Path:
    torch.manual_seed(7)
    torch.save(models.resnet18(weights=None).state_dict(), folder / "pretrained.pth")
    return folder / "pretrained.pth"


def mine() -> nn.Module:
    """A ResNet with another head, and a layer more."""
    model = models.resnet18(weights=None, num_classes=5)
    model.layer4 = nn.Sequential(*model.layer4.children(), nn.BatchNorm2d(512))
    return model


def by_filtering(model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Names that both have, with the same shapes."""
    ours = model.state_dict()
    stored = torch.load(path, weights_only=True)
    ours.update({name: value for name, value in stored.items() if name in ours and value.shape == ours[name].shape})
    model.load_state_dict(ours)
    return dict(model.state_dict())


# Compared with modelview's.

RECIPE = mv.open("resnet18", num_classes=5).then(mv.InsertLayer("layer4.1", "BatchNorm2d(512)"))


def test_what_matches_loads(tmp_path: Path) -> None:
    path = pretrained(tmp_path)
    load = mv.LoadWeights(path, strict=False, mismatched="skip")
    theirs = mine()
    theirs.load_state_dict(RECIPE.build().state_dict())
    expected = by_filtering(theirs, path)
    found = RECIPE.then(load).build().state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_it_lists_what_strict_false_lists_and_other_shapes_too(tmp_path: Path) -> None:
    """What torch's own does stops at the first other shape; names are the same two lists."""
    path = pretrained(tmp_path)
    stored = torch.load(path, weights_only=True)
    stored["extra.weight"] = torch.rand(3)
    torch.save(stored, path)
    plan = mv.LoadWeights(path, strict=False, mismatched="skip").loading(structure_of(RECIPE))
    with pytest.raises(RuntimeError, match=r"size mismatch for fc\.weight"):
        mine().load_state_dict(stored, strict=False)
    fitting = {name: value for name, value in stored.items() if not name.startswith("fc.")}
    missing, unexpected = mine().load_state_dict(fitting, strict=False)
    other = [row.name for row in plan.of("shape differs")]
    assert other == ["fc.weight", "fc.bias"]
    assert [*plan.missing, *other] == missing
    assert [row.name for row in plan.of("unexpected")] == unexpected == ["extra.weight"]


def test_strict_it_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    path = pretrained(tmp_path)
    with pytest.raises(mv.EditError, match=r"`layer4\.2\.weight` is missing from the file|`fc\.weight` is \(5, 512\)"):
        RECIPE.then(mv.LoadWeights(path)).check()
    RECIPE.check()


def test_by_names(tmp_path: Path) -> None:
    """Only the trunk: `{k: v for k, v in stored.items() if not k.startswith("fc")}`."""
    path = pretrained(tmp_path)
    stored = torch.load(path, weights_only=True)
    model = models.resnet18(weights=None)
    model.load_state_dict(mv.open("resnet18").build().state_dict())
    model.load_state_dict({k: v for k, v in stored.items() if not k.startswith("fc")}, strict=False)
    for chosen in ({"exclude": ("fc",)}, {"include": ("conv1", "bn1", "layer*")}):
        found = mv.open("resnet18").then(mv.LoadWeights(path, strict=False, **chosen)).build().state_dict()
        assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pretrained(tmp_path)
    edit = json.loads(RECIPE.then(mv.LoadWeights(path, strict=False, mismatched="skip")).to_json())["edits"]
    saved, out = str(tmp_path / "r.json"), tmp_path / "out.pth"
    edits = [argument for each in edit for argument in ("--edit", json.dumps(each))]
    assert main(["open", "resnet18", "--with", "num_classes=5", *edits, "-o", saved, "--file", str(path)]) == 0
    assert main(["export", saved, "--format", "state_dict", "-o", str(out), "--file", str(path)]) == 0
    stored, written = torch.load(path, weights_only=True), torch.load(out, weights_only=True)
    assert torch.equal(written["layer4.1.conv2.weight"], stored["layer4.1.conv2.weight"])
    assert written["fc.weight"].shape == (5, 512)
    assert "pretrained.pth: 1" in " ".join(change.summary for change in mv.open(saved).changes())
    capsys.readouterr()
