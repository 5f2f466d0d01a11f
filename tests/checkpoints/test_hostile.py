"""Nothing in a file is run, imported or called, in any format, on any path; what it asks for is listed."""

import builtins
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._weights_only_unpickler as torchs

import modelview as mv
from modelview.checkpoints.allowed import ALLOWED
from modelview.checkpoints.formats.legacy import MAGIC, PROTOCOL
from modelview.errors import CheckpointError
from tests.checkpoints.making import tarred

MARKER = "touched"


class Reduced:
    """Calls `function` with `arguments` when it is unpickled by pickle itself."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


class Stateful:
    """Has os.system called through the state setter of its reduce value."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (), None, None, iter([(0, Reduced(os.system, self.command))])


def touch(tmp_path: Path) -> str:
    return f"touch {tmp_path / MARKER}"


def raw(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def payloads(tmp_path: Path) -> dict[str, bytes]:
    """Pickles that touch the marker when they are unpickled, by the opcode that does it."""
    command = touch(tmp_path)
    code = f"open({str(tmp_path / MARKER)!r}, 'w')"
    line = command.encode()
    return {
        "reduce": pickle.dumps({"w": Reduced(os.system, command)}, protocol=2),
        "reduce of protocol 4": pickle.dumps([Reduced(os.system, command)], protocol=4),
        "eval": pickle.dumps({"w": Reduced(eval, code)}, protocol=2),
        "exec": pickle.dumps({"w": Reduced(exec, code)}, protocol=2),
        "getattr chain": pickle.dumps({"w": Reduced(getattr, Reduced(__import__, "os"), "system")}, protocol=2),
        "Popen": pickle.dumps({"w": Reduced(subprocess.Popen, ["sh", "-c", command])}, protocol=2),
        "items": pickle.dumps(Stateful(command), protocol=2),
        "inst": raw(b"(S'" + line + b"'\nios\nsystem\n"),
        "obj": raw(b"(cos\nsystem\nS'" + line + b"'\no"),
        "newobj": raw(b"cos\nsystem\nS'" + line + b"'\n\x85\x81"),
        "build": raw(b"cbuiltins\nobject\n)\x81}S'__setstate__'\ncos\nsystem\nsbS'" + line + b"'\nb"),
        "build of a class": raw(b"ctorch\nFloatStorage\n}S'__call__'\ncos\nsystem\nsb"),
        "map": pickle.dumps({"w": Reduced(list, Reduced(map, os.system, [command]))}, protocol=2),
    }


NAMES = list(payloads(Path()))


def as_pickle(body: bytes, path: Path) -> None:
    path.write_bytes(body)


def as_zip(body: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/version", "3")


def as_legacy(part: int) -> Callable[[bytes, Path], None]:
    """With the payload in one of the five pickles in a row."""

    def write(body: bytes, path: Path) -> None:
        parts = [pickle.dumps(each, protocol=2) for each in (MAGIC, PROTOCOL, {"little_endian": True}, {}, [])]
        parts[part] = body
        path.write_bytes(b"".join(parts))

    return write


def as_torchscript(body: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"m/{name}", body)


def as_exported(body: bytes, path: Path) -> None:
    """With the payload as the weights of an exported program of torch 2.7."""
    inner = path.with_name("inner")
    as_zip(body, inner)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "serialized_state_dict.pt")


def as_constants(body: bytes, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(Stateful(""), protocol=2))
        archive.writestr("m/constants.pkl", body)


def as_metadata(body: bytes, path: Path) -> None:
    path.mkdir()
    (path / ".metadata").write_bytes(body)


PLACES: dict[str, Callable[[bytes, Path], None]] = {
    "a plain pickle": as_pickle,
    "a zip": as_zip,
    **{f"part {part} of a legacy file": as_legacy(part) for part in range(1, 5)},
    "TorchScript": as_torchscript,
    "constants of TorchScript": as_constants,
    "an exported program": as_exported,
    "the metadata of a distributed checkpoint": as_metadata,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_a_payload_is_never_run(name: str, place: str, tmp_path: Path) -> None:
    PLACES[place](payloads(tmp_path)[name], tmp_path / "file")
    with pytest.raises(CheckpointError):  # none of them holds a tensor
        mv.read(tmp_path / "file")
    assert not (tmp_path / MARKER).exists()


def test_the_payloads_would_run_where_pickle_is_trusted(tmp_path: Path) -> None:
    pickle.loads(payloads(tmp_path)["reduce"])
    assert (tmp_path / MARKER).exists()


def test_a_payload_beside_weights_is_listed_and_the_weights_are_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(3)}, "hook": Reduced(os.system, touch(tmp_path))}, tmp_path / "a.pth")
    ck = mv.read(tmp_path / "a.pth")
    assert ck.unsafe == ("posix.system",)
    assert ck.extras["hook"] == "posix.system"
    assert torch.equal(ck.tensor("w"), torch.ones(3))
    assert not (tmp_path / MARKER).exists()


def test_a_payload_in_the_pickles_of_a_tar(tmp_path: Path) -> None:
    content = tarred({"w": torch.ones(2)}, tmp_path / "t").read_bytes()
    body = payloads(tmp_path)["reduce"]
    at = content.index(b"pickle\0")
    size = int(content[at + 124 : at + 135], 8)
    body = body + b"\0" * (size - len(body)) if len(body) < size else body[:size]
    (tmp_path / "t").write_bytes(content[: at + 512] + body + content[at + 512 + size :])
    with pytest.raises(CheckpointError):
        mv.read(tmp_path / "t")
    assert not (tmp_path / MARKER).exists()


@pytest.mark.long
def test_the_reader_imports_nothing_that_a_file_names(tmp_path: Path) -> None:
    """A module that touches the marker when it is imported, beside the file and on the path."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / MARKER)!r}, 'w')")
    (tmp_path / "a.pkl").write_bytes(raw(b"cevil\nThing\n)\x81"))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import modelview as mv\n"
        "try: mv.read('a.pkl')\nexcept mv.CheckpointError: print('refused')"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "refused", done.stderr
    assert not (tmp_path / MARKER).exists()


def test_the_list_of_harmless_names_is_torchs_own() -> None:
    assert set(torchs._get_allowed_globals()) == ALLOWED  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x82\x01", "The pickle in the file is broken"),
        (b"]h\x07a", "The pickle in the file is broken"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(I1\nI0\n(I2\nt(I1\nttR", "A tensor of the file has no storage."),
        (b"cbuiltins\ndict\n)RI1\nb", "holds no tensors"),
    ],
    ids=["a registered code", "a memo that is not there", "a tensor of a number", "the state of a dict"],
)
def test_what_pickle_would_trip_over_is_a_sentence(body: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(raw(body))
    with pytest.raises(CheckpointError) as caught:
        mv.read(tmp_path / "a")
    assert message in str(caught.value)


def test_a_checked_tensor_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    """BUILD on a tensor would go around the checks, if it could."""
    torch.save({"w": torch.ones(3)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    (name,) = [name for name in entries if name.endswith("data.pkl")]
    body = entries[name]
    at = body.rindex(b"R", 0, body.rindex(b"s") + 1)
    entries[name] = body[: at + 1] + b"}X\x06\x00\x00\x00offsetJ" + struct.pack("<i", 10**6) + b"sb" + body[at + 1 :]
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        for each, content in entries.items():
            archive.writestr(each, content)
    with pytest.raises(CheckpointError, match=r"The pickle sets attributes of a tensor."):
        mv.read(tmp_path / "b.pth")


@pytest.mark.long
@pytest.mark.parametrize("script", ["-", "-c"])
def test_it_works_without_a_main_guard(script: str, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "a.pth")
    code = "import modelview as mv; print(len(mv.read('a.pth').tensors))"
    command = [sys.executable, script] + ([code] if script == "-c" else [])
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command,
        input=code if script == "-" else "",
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "1", done.stderr


def test_builtins_are_as_they_were() -> None:
    assert builtins.eval is eval
