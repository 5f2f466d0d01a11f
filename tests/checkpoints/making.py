"""Files of every format, each made by torch or the format's own library."""

import json
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import onnx
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn

State = dict[str, Tensor]


class Net(nn.Module):
    """Small, with parameters, buffers, and one that a state_dict leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)
        self.register_buffer("left_out", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.bn(self.conv(x)).mean((2, 3)))
        return out


def state() -> State:
    torch.manual_seed(0)
    return dict(Net().state_dict())


def legacy(content: Any, path: Path) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def legacy_framed(content: Any, path: Path) -> Path:
    """By pickle's newer protocols, whose pickles begin with their length."""
    torch.save(content, path, _use_new_zipfile_serialization=False, pickle_protocol=4)
    return path


def zipped(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def pickled(protocol: int) -> Callable[[State, Path], Path]:
    def make(content: State, path: Path) -> Path:
        path.write_bytes(pickle.dumps({"model": {k: v.numpy() for k, v in content.items()}}, protocol=protocol))
        return path

    return make


def pickled_tensors(content: State, path: Path) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def tarred(content: State, path: Path) -> Path:
    """As torch 0.1 wrote it: nothing today does."""
    storages, tensors = BytesIO(), BytesIO()
    pickle.dump(len(content), storages, protocol=2)
    pickle.dump(len(content), tensors, protocol=2)
    kinds = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage}
    for number, tensor in enumerate(content.values()):
        pickle.dump((number, "cpu", kinds[tensor.dtype]), storages, protocol=2)
        storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
        pickle.dump((100 + number, number, torch.Tensor), tensors, protocol=2)
        layout = f"<i4x{tensor.dim()}q{tensor.dim()}qq"
        tensors.write(struct.pack(layout, tensor.dim(), *tensor.shape, *tensor.stride(), 0))
    pickle.dump([], storages, protocol=2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return 100 + list(map(id, content.values())).index(id(value)) if isinstance(value, Tensor) else None

    body = BytesIO()
    Pickler(body, protocol=2).dump(dict(content))
    info = pickle.dumps({"protocol_version": 1000, "little_endian": True}, protocol=2)
    with tarfile.open(path, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, part in (("sys_info", info), ("pickle", body.getvalue()), ("tensors", tensors.getvalue())):
            _add(archive, name, part)
        _add(archive, "storages", storages.getvalue())
    return path


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, BytesIO(content))


def safe(content: State, path: Path) -> Path:
    safetensors.torch.save_file(content, path, metadata={"format": "pt"})
    return path


def sharded(save: Callable[[State, Path], Path], suffix: str) -> Callable[[State, Path], Path]:
    def make(content: State, folder: Path) -> Path:
        folder.mkdir()
        names, weights = list(content), {}
        for number, some in enumerate((names[:4], names[4:]), start=1):
            file = f"model-{number:05}-of-00002{suffix}"
            save({name: content[name] for name in some}, folder / file)
            weights |= dict.fromkeys(some, file)
        (folder / f"model{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
        return folder

    return make


def scripted(content: State, path: Path) -> Path:
    model = Net().eval()
    model.load_state_dict(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(model), path)
    return path


def exported(content: State, path: Path) -> Path:
    model = Net().eval()
    model.load_state_dict(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, (torch.rand(1, 3, 8, 8),)), path)
    return path


def exported_before(content: State, path: Path) -> Path:
    """As torch 2.2 to 2.7 wrote it: nothing today does."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        for name, values in (("state_dict", content), ("constants", {}), ("example_inputs", ((torch.rand(1),), {}))):
            torch.save(values, buffer := BytesIO())
            archive.writestr(f"serialized_{name}.pt", buffer.getvalue())
        archive.writestr("version", "8.8")
    return path


def distributed(content: State, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save({"model": content, "epoch": 3}, checkpoint_id=folder)
    return folder


def in_pieces(value: Tensor, folder: Path) -> Path:
    """One tensor as several ranks leave it, a file and half of the rows each; by torch's own records."""
    folder.mkdir()
    half = len(value) // 2
    about, data = [], {}
    for number, rows in enumerate((value[:half], value[half:])):
        offsets = torch.Size([number * half, 0])
        blob = BytesIO()
        torch.save(rows.clone(), blob)
        (folder / f"__{number}_0.distcp").write_bytes(blob.getvalue())
        about.append(dcp.metadata.ChunkStorageMetadata(offsets, rows.shape))
        place = dcp.filesystem._StorageInfo(f"__{number}_0.distcp", 0, len(blob.getvalue()))
        data[dcp.metadata.MetadataIndex("w", offsets)] = place
    properties = dcp.metadata.TensorProperties(value.dtype)
    whole = dcp.metadata.TensorStorageMetadata(properties, value.shape, about)
    metadata = dcp.metadata.Metadata({"w": whole}, {"w": ("w",)}, data)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    return folder


def onnx_model(content: State, path: Path) -> Path:
    values = [onnx.numpy_helper.from_array(v.numpy(), k) for k, v in content.items()]
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, 3, 8, 8]) for name in "xy")
    node = onnx.helper.make_node("Conv", ["x", "conv.weight"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], values)), path)
    return path


def onnx_constants(content: State, path: Path) -> Path:
    """Weights as exporters leave them that take what they trace for a constant: in nodes, and in the branches of If."""
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, 3, 8, 8]) for name in "xy")
    (counted,) = (k for k, v in content.items() if not v.dim())
    kept = [onnx.numpy_helper.from_array(content[counted].numpy(), counted)]
    nodes = {k: onnx_constant(k, v) for k, v in content.items() if k != counted}
    inner, outer = ([node for k, node in nodes.items() if k.startswith("fc") is within] for within in (True, False))
    branches = [onnx.helper.make_graph([*made, _identity("x", "y")], "g", [], [y]) for made in (inner, [])]
    node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=branches[0], else_branch=branches[1])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([*outer, node], "g", [x], [y], kept)), path)
    return path


def onnx_constant(name: str, value: Tensor) -> onnx.NodeProto:
    return onnx.helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value.numpy()))


def _identity(before: str, after: str) -> onnx.NodeProto:
    return onnx.helper.make_node("Identity", [before], [after])


MAKERS: dict[str, tuple[str, Callable[[State, Path], Path]]] = {
    "zip": ("zip", zipped),
    "legacy": ("legacy", legacy),
    "legacy of protocol 4": ("legacy", legacy_framed),
    "tar": ("tar", tarred),
    **{f"pickle of protocol {n}": ("pickle", pickled(n)) for n in (2, 3, 4, 5)},
    "pickled tensors": ("pickle", pickled_tensors),
    "safetensors": ("safetensors", safe),
    "sharded safetensors": ("sharded", sharded(safe, ".safetensors")),
    "sharded bin": ("sharded", sharded(zipped, ".bin")),
    "torchscript": ("torchscript", scripted),
    "pt2": ("pt2", exported),
    "pt2 of torch 2.7": ("pt2", exported_before),
    "dcp": ("dcp", distributed),
    "onnx": ("onnx", onnx_model),
    "onnx constants": ("onnx", onnx_constants),
}
"""Format and maker by name. The name of the file says nothing: it is "file" throughout."""


def made(name: str, folder: Path) -> Path:
    return MAKERS[name][1](state(), folder / "file")
