"""Every format gives its tensors bit for bit, and says what it is whatever the file is called."""

import argparse
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torchvision import models

import modelview as mv
from modelview.checkpoints.formats.base import FORMATS
from modelview.errors import CheckpointError
from tests.checkpoints.making import MAKERS, Net, in_pieces, legacy, made, state


def test_every_format_is_made_here() -> None:
    assert {form for form, _ in MAKERS.values()} == set(FORMATS)


@pytest.mark.parametrize("name", MAKERS)
def test_values_are_bit_equal(name: str, tmp_path: Path) -> None:
    ck = mv.read(made(name, tmp_path), verify=True)
    assert ck.format == MAKERS[name][0]
    wanted = state()
    assert {n: (i.shape, i.dtype) for n, i in ck.tensors.items() if n != "left_out"} == {
        n: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for n, v in wanted.items()
    }
    for key, value in wanted.items():
        assert torch.equal(ck.tensor(key), value), key


@pytest.mark.parametrize("name", ["sharded safetensors", "sharded bin"])
def test_a_set_is_read_from_its_index_or_its_numbers_or_its_files(name: str, tmp_path: Path) -> None:
    folder = made(name, tmp_path)
    (index,) = folder.glob("*.index.json")
    whole = dict(mv.read(folder).tensors)
    assert dict(mv.read(index).tensors) == whole
    assert dict(mv.read(sorted(folder.iterdir())).tensors) == whole
    index.unlink()
    ck = mv.read(folder)
    assert ck.tensors.keys() == whole.keys()
    assert "There is no index beside these files" in ck.notes[0]


def test_pieces_of_one_tensor_are_put_together(tmp_path: Path) -> None:
    value = torch.arange(24.0).reshape(6, 4)
    folder = in_pieces(value, tmp_path / "d")
    ck = mv.read(folder)
    assert ck.tensors["w"].layout == "chunked"
    assert torch.equal(ck.tensor("w"), value)
    (folder / "__1_0.distcp").unlink()
    with pytest.raises(CheckpointError, match=r"'__1_0.distcp' is missing: 'w' is said to be in it."):
        mv.read(folder)


@pytest.mark.parametrize("legacy_form", [False, True])
def test_a_whole_module_is_a_tree(legacy_form: bool, tmp_path: Path) -> None:
    model = Net()
    path = legacy(model, tmp_path / "m") if legacy_form else tmp_path / "m"
    if not legacy_form:
        torch.save(model, path)
    ck = mv.read(path)
    assert ck.module is not None
    assert ck.module.kind == "tests.checkpoints.making.Net"
    assert list(ck.module.children) == ["conv", "bn", "fc"]
    assert ck.module.children["conv"].attributes["kernel_size"] == (3, 3)  # type: ignore[union-attr]
    assert ck.module.non_persistent == {"left_out"}
    assert list(ck.tensors) == list(model.state_dict())
    assert all(torch.equal(ck.tensor(n), v) for n, v in model.state_dict().items())
    assert "tests.checkpoints.making.Net" in ck.unsafe


def test_a_scripted_module_is_a_tree(tmp_path: Path) -> None:
    ck = mv.read(made("torchscript", tmp_path))
    assert ck.module is not None
    assert [path for path, _ in ck.module.named()] == ["", "conv", "bn", "fc"]
    assert list(ck.tensors) == list(torch.jit.load(tmp_path / "file").state_dict())


class Holding(nn.Module):
    """With tensors where a state_dict does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.anchors = [torch.arange(3.0), {"wide": torch.arange(4.0)}]
        self.same = [self.fc.weight]
        self.register_buffer("unsaved", torch.ones(2), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(x)
        return out


def test_tensors_that_a_module_holds_beside_its_weights_are_a_choice(tmp_path: Path) -> None:
    model = Holding()
    torch.save({"net": model}, tmp_path / "m")
    ck = mv.read(tmp_path / "m")
    assert [(one.path, len(one.tensors)) for one in ck.candidates] == [("net", 2), ("net.attributes", 3)]
    held = mv.read(tmp_path / "m", at="net.attributes")
    assert list(held.tensors) == ["unsaved", "anchors.0", "anchors.1.wide"]
    assert torch.equal(held.tensor("anchors.1.wide"), torch.arange(4.0))
    assert held.notes[0].startswith("No state_dict has these tensors")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("save", [torch.save, lambda model, path: torch.jit.save(torch.jit.script(model), path)])
def test_packed_weights_are_read(save: Callable[[nn.Module, Path], None], tmp_path: Path) -> None:
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear}, torch.qint8)
    save(model, tmp_path / "m")
    ck = mv.read(tmp_path / "m")
    assert ck.path == "attributes"
    weight, bias = (ck.tensor(name) for name in ck.tensors)
    assert torch.equal(weight.dequantize(), model[0].weight().dequantize())
    assert torch.equal(bias, model[0].bias())


def test_a_frozen_script_keeps_its_weights_as_constants(tmp_path: Path) -> None:
    model = Net().eval()
    torch.jit.save(torch.jit.freeze(torch.jit.script(model)), tmp_path / "m")
    ck = mv.read(tmp_path / "m", verify=True)
    assert [one.path for one in ck.candidates] == ["attributes", ""]
    assert all(name.startswith("CONSTANTS.c") for name in ck.tensors)
    values = [ck.tensor(name) for name in ck.tensors]
    assert any(torch.equal(value, model.fc.weight) for value in values if value.shape == (2, 4))
    content = bytearray((tmp_path / "m").read_bytes())
    content[content.index(model.fc.weight.detach().numpy().tobytes())] ^= 1
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"'m' is damaged: some values do not have the CRC-32"):
        mv.read(tmp_path / "m", verify=True)


def test_the_method_saved_without_parentheses_gives_its_weights(tmp_path: Path) -> None:
    model = models.squeezenet1_1()
    torch.save(nn.DataParallel(model).state_dict, tmp_path / "m.pth")
    ck = mv.read(tmp_path / "m.pth")
    assert list(ck.tensors) == list(model.state_dict())
    assert ck.prefix == "module."
    assert "saved without its parentheses" in ck.notes[0]


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = made("sharded bin", tmp_path)
    (folder / "model-00002-of-00002.bin").unlink()
    with pytest.raises(CheckpointError, match=r"'model-00002-of-00002.bin' is missing: the index says that"):
        mv.read(folder)
    (folder / "model.bin.index.json").unlink()
    with pytest.raises(CheckpointError, match=r"'model-00002-of-00002.bin' is missing from the set."):
        mv.read(folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("../file", "The index names the file '../file', which leads out of its folder."),
        ("/etc/passwd", "leads out of its folder"),
        ("model-00002-of-00002.bin", "does not have the tensor 'conv.weight' that the index says is in it."),
        ("model.bin.index.json", "is neither safetensors nor a file of torch.save"),
    ],
)
def test_an_index_is_not_believed(file: str, message: str, tmp_path: Path) -> None:
    folder = made("sharded bin", tmp_path)
    index = folder / "model.bin.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["conv.weight"] = file
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError) as caught:
        mv.read(folder)
    assert message in str(caught.value)


def test_a_folder_with_two_sets_asks_for_one(tmp_path: Path) -> None:
    folder = made("sharded bin", tmp_path)
    shutil.copy(folder / "model.bin.index.json", folder / "other.bin.index.json")
    with pytest.raises(CheckpointError, match="The folder has several sets of weights: choose one index"):
        mv.read(folder)
    assert len(mv.read(folder / "other.bin.index.json").tensors) == len(state())


def test_what_else_a_distributed_checkpoint_holds_is_said(tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    saved = {"model": model.state_dict(), "optim": optimizer.state_dict(), "epoch": 3, "by": argparse.Namespace(lr=0.1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(saved, checkpoint_id=tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert ck.extras["epoch"] == "3"
    assert ck.extras["by"] == "argparse.Namespace (lr = 0.1)"
    assert ck.extras["optim"].startswith("SGD with momentum: 1 group (lr 0.1, weight_decay 0, momentum 0.9)")
    assert "argparse.Namespace" in ck.unsafe
    assert all(torch.equal(ck.tensor(name), value) for name, value in model.state_dict().items())
    piece = tmp_path / "file" / "__0_0.distcp"
    piece.write_bytes(piece.read_bytes().replace(b"argparse", b"argparsf"))
    with pytest.raises(CheckpointError, match=r"'archive/data.pkl' in the archive is damaged: its CRC-32 is not"):
        mv.read(tmp_path / "file")


def test_a_distributed_checkpoint_that_leads_out_is_refused(tmp_path: Path) -> None:
    folder = made("dcp", tmp_path)
    metadata = folder / ".metadata"
    metadata.write_bytes(metadata.read_bytes().replace(b"__0_0.distcp", b"../file.xyz1"))
    with pytest.raises(CheckpointError, match=r"names the file '../file.xyz1', which leads out of it."):
        mv.read(folder)
    (folder / "__0_0.distcp").unlink()
    metadata.write_bytes(metadata.read_bytes().replace(b"../file.xyz1", b"__0_0.distcp"))
    with pytest.raises(CheckpointError, match=r"'__0_0.distcp' is missing"):
        mv.read(folder)
