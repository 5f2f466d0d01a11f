"""What is refused, with one sentence, and nothing left behind."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import modelview as mv
from modelview.checkpoints import process
from modelview.checkpoints.limits import Limits
from modelview.errors import CheckpointError, EditError
from tests.checkpoints.making import MAKERS, legacy, made, state


def refusal(path: Path, **keywords: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        mv.read(path, **keywords)
    return str(caught.value)


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def zip_of(**entries: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(
                zipfile.ZipInfo(name.replace("__", "/")), content
            )  # without the time, which is in names of tests
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'file' is empty: it has no bytes."),
        (b"<!DOCTYPE html><html></html>", "it looks like a web page."),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>", "it looks like a web page."),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a git-lfs pointer: the file itself was not fetched",
        ),
        (picture("PNG"), "it looks like a picture (PNG)."),
        (picture("JPEG"), "it looks like a picture (JPEG)."),
        (picture("GIF"), "it looks like a picture (GIF)."),
        (picture("WEBP"), "it looks like a picture (WebP)."),
        (b"%PDF-1.7 ...", "it looks like a PDF document."),
        (b"\x1f\x8b\x08\0", "compressed by gzip: unpack it first."),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes."),
        (b"GGUF\3\0\0\0", "a GGUF file, of llama.cpp."),
        (array(), "it looks like a NumPy array (.npy)."),
        ("läuft\n".encode(), "it looks like text."),
        (b'{"a": 1}', "it looks like a JSON document."),
        (b"\x01\x02\x03\x04", "its first bytes are 01 02 03 04."),
        (b"\x08", "its first bytes are 08."),
        (b"\x80", "its first bytes are 80."),
        (zip_of(a="b"), "it looks like a zip archive of something else."),
        (zip_of(**{"run/best.pth": "x", "run/a.txt": ""}), "a zip archive around 'run/best.pth': unpack it first."),
        (zip_of(**{"[Content_Types].xml": "x"}), "it looks like an office document."),
        (zip_of(**{"arr_0.npy": "x"}), "it looks like NumPy arrays (.npz)."),
        (
            zip_of(a="b")[:20],
            "begins as a zip archive, but its directory is missing: the file is truncated or damaged.",
        ),
    ],
)
def test_what_is_no_checkpoint_is_called_by_its_name(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert message in refusal(tmp_path / "file")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.pth").startswith("There is no file")
    assert refusal(tmp_path) == f"The folder {tmp_path.name!r} is empty."
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == "'pipe' is not an ordinary file."
    assert refusal(Path("/dev/zero")) == "'zero' is not an ordinary file."


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(entries: list[tuple[str, bytes]], path: Path, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> dict[str, bytes]:
    torch.save({"w": torch.ones(30, 40), "b": torch.ones(3)}, tmp_path / "good.pth")
    return entries_of(tmp_path / "good.pth")


def test_archives_are_stored_unique_and_stay_inside(saved: dict[str, bytes], tmp_path: Path) -> None:
    items = list(saved.items())
    assert "is compressed, which torch never does" in refusal(zipped(items, tmp_path / "a", zipfile.ZIP_DEFLATED))
    with pytest.warns(UserWarning, match="Duplicate name"):
        doubled = zipped([*items, items[0]], tmp_path / "b")
    assert "The archive has two entries called" in refusal(doubled)
    for name in ("../x", "/etc/x", "a/../../x", "a\\x"):
        assert "which leads out of it" in refusal(zipped([*items, (name, b"")], tmp_path / "c")), name
    assert "has several 'data.pkl'" in refusal(zipped([*items, ("other/data.pkl", b"")], tmp_path / "d"))


def test_a_storage_is_the_size_that_is_declared(saved: dict[str, bytes], tmp_path: Path) -> None:
    (name,) = [name for name, content in saved.items() if len(content) == 4800]
    path = zipped([*(saved | {name: saved[name][:-4]}).items()], tmp_path / "a")
    assert refusal(path) == "Storage '0' says it has 4,800 bytes; the file has 4,796 of it."
    path = zipped([(n, c) for n, c in saved.items() if n != name], tmp_path / "b")
    assert "which a tensor is said to lie in" in refusal(path)


def test_a_tensor_has_no_more_elements_than_its_storage(saved: dict[str, bytes], tmp_path: Path) -> None:
    (name,) = [name for name in saved if name.endswith("data.pkl")]
    larger = saved[name].replace(b"K\x1eK(\x86", b"K\x1fK(\x86")
    assert larger != saved[name]
    path = zipped([*(saved | {name: larger}).items()], tmp_path / "a")
    assert refusal(path) == "A tensor of shape (31, 40) claims 4,960 bytes of a storage that has 4,800."


def test_entries_that_overlap_are_refused(saved: dict[str, bytes], tmp_path: Path) -> None:
    path = zipped([("archive/data/0", b"x" * 100), ("archive/data/1", b"y" * 100), *saved.items()], tmp_path / "a")
    with zipfile.ZipFile(path) as archive:
        first, second = (archive.getinfo(f"archive/data/{n}") for n in (0, 1))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"archive/data/1") - 46
    struct.pack_into("<L", content, at + 42, first.header_offset)
    path.write_bytes(content)
    assert second.header_offset > first.header_offset
    assert "do not agree" in refusal(path) or "overlap" in refusal(path)


@pytest.mark.parametrize("name", ["zip", "sharded bin", "pt2", "torchscript", "dcp"])
def test_a_flipped_bit_in_the_values_is_found_at_the_latest_when_they_are_read(name: str, tmp_path: Path) -> None:
    path = made(name, tmp_path)
    file = path if path.is_file() else max(path.iterdir(), key=lambda each: each.stat().st_size)
    wanted = state()["conv.weight"].numpy().tobytes()
    content = bytearray(file.read_bytes())
    content[content.index(wanted) + 100] ^= 4
    file.write_bytes(content)
    ck = mv.read(path)
    with pytest.raises(CheckpointError, match=r"is damaged: the values of 'conv.weight' do not have the CRC-32"):
        ck.tensor("conv.weight")
    with pytest.raises(CheckpointError, match="is damaged"):
        mv.read(path, verify=True)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("dcp",) and "sharded" not in name])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    path = made(name, tmp_path)
    content = path.read_bytes()
    end = content.index(b"storages\0") + 700 if name == "tar" else len(content) - 1  # behind it, a tar has padding
    for kept in (end, end // 2, 100, 12):
        path.write_bytes(content[:kept])
        assert refusal(path).endswith((".", ")"))


def header(content: dict[str, Any] | bytes, values: int = 0) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text + bytes(values)


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (struct.pack("<Q", 2**39) + b"{}", "more than the limit of 200 MB (MODELVIEW_READ_HEADER_MB)"),
        (struct.pack("<Q", 500) + b'{"a": 1', "is truncated: its header is said to have 500 bytes"),
        (header(b'{"a": '), "The header of the file is broken"),
        (header(b"{" + b'"a": {' * 100_000), "The header of the file is broken"),
        (header(b'{"a": 1, "a": 2}'), "The header names 'a' twice."),
        (header({"a": 3}), "The header does not say what 'a' is"),
        (header({"a": F32 | {"dtype": "F33"}}, 8), "'a' is of the dtype 'F33', which torch does not have."),
        (header({"a": F32 | {"shape": [-2]}}, 8), "has the shape [-2] and offsets that are no whole numbers"),
        (header({"a": F32 | {"shape": [3]}}, 8), "takes 12 bytes; the header gives it 8."),
        (header({"a": F32}, 4), "The file is truncated: its tensors end at byte"),
        (header({"a": F32}, 9), "1 bytes behind its last tensor that belong to none"),
        (header({"a": F32, "b": F32}, 16), "Tensors of the file overlap"),
        (header({"a": F32 | {"data_offsets": [8, 16]}}, 16), "or leave bytes between them"),
        (header({"__metadata__": 3, "a": F32}, 8), "is no table of texts"),
    ],
)
def test_safetensors_headers_are_not_believed(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert message in refusal(tmp_path / "file")


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def laughs(levels: int) -> bytes:
    """Ten times the list before, again and again: small in memory, endless to whoever unfolds it."""
    lists: Any = ["ha"] * 10
    for _ in range(levels):
        lists = [lists] * 10
    return pickle.dumps(lists, protocol=2)


def itself() -> bytes:
    endless: list[Any] = []
    endless.append(endless)
    return pickle.dumps({"a": endless}, protocol=2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (nested(100_000), "is nested deeper than the limit of 500 levels (MODELVIEW_READ_DEPTH)."),
        (laughs(12), "unfold to more than the limit of 20,000,000 objects (MODELVIEW_READ_OBJECTS)."),
        (itself(), "A list or dict in the file holds itself."),
        (b"\x80\x02B\xff\xff\xff\x7fabc.", "MODELVIEW_READ_MEMORY_MB"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\x0f\0\0abc.", "MODELVIEW_READ_MEMORY_MB"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "MODELVIEW_READ_MEMORY_MB"),
    ],
    ids=["nested", "laughs", "itself", "more bytes than there are", "petabytes", "a memo of gigabytes"],
)
def test_bombs_do_not_go_off(body: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(body)
    assert message in refusal(tmp_path / "file")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(tensors=5), "The file holds more than the limit of 5 tensors (MODELVIEW_READ_TENSORS)."),
        (Limits(objects=5), "more than the limit of 5 objects (MODELVIEW_READ_OBJECTS)."),
        (Limits(depth=1), "is nested deeper than the limit of 1 levels (MODELVIEW_READ_DEPTH)."),
    ],
)
def test_limits_are_named_when_they_are_hit(limits: Limits, message: str, tmp_path: Path) -> None:
    assert message in refusal(made("zip", tmp_path), limits=limits)


def test_what_is_said_of_a_file_is_bounded(tmp_path: Path) -> None:
    names = [f"{number}{'x' * 70_000}" for number in range(20)]
    torch.save(dict.fromkeys(names, torch.ones(2)), tmp_path / "file")
    assert "takes more than the limit of 1 MB to describe (MODELVIEW_READ_ANSWER_MB)." in refusal(
        tmp_path / "file", limits=Limits(answer_mb=1)
    )
    assert list(mv.read(tmp_path / "file").tensors) == names


def test_memory_is_bounded(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3), "text": "x" * 80_000_000}, tmp_path / "file")
    assert "(MODELVIEW_READ_MEMORY_MB)" in refusal(tmp_path / "file", limits=Limits(memory_mb=60))
    assert len(mv.read(tmp_path / "file").tensors) == 1


@pytest.mark.long
def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """Ten million times one character, appended one by one: a minute of work, in 20 MB."""
    (tmp_path / "file").write_bytes(b"\x80\x02]" + b"K\x01a" * 20_000_000 + b".")
    assert refusal(tmp_path / "file", limits=Limits(seconds=1)).endswith("the limit of 1 s (MODELVIEW_READ_SECONDS).")


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (
            "import os; os.abort()",
            "Reading 'file' failed: the reader ended early (signal 6). The file is damaged, or made to do",
        ),
        ("raise SystemExit(3)", "the reader ended early (status 3)."),
        ("raise ValueError('why')", "the reader ended early (ValueError: why)."),
        ("print('{')", "the reader ended early (status 0)."),
        (
            "import os; os.kill(os.getpid(), 9)",
            "Reading 'file' took longer than the limit of 60 s (MODELVIEW_READ_SECONDS).",
        ),
    ],
)
def test_a_reader_that_dies_is_a_sentence(
    reader: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_BOOT", reader)
    assert message in refusal(made("zip", tmp_path))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODELVIEW_READ_TENSORS", "3")
    assert "limit of 3 tensors" in refusal(made("zip", tmp_path))
    monkeypatch.setenv("MODELVIEW_READ_TENSORS", "many")
    with pytest.raises(EditError, match="MODELVIEW_READ_TENSORS is a whole number from 1 up; it is set to 'many'"):
        mv.read(tmp_path / "file")


def test_a_file_that_changes_under_our_hands_is_noticed(tmp_path: Path) -> None:
    ck = mv.read(made("legacy", tmp_path))
    ck.tensor("fc.bias")
    ck = mv.read(tmp_path / "file")
    legacy({"w": torch.zeros(3)}, tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"has changed since it was read; read it again\."):
        ck.tensor("fc.bias")
    (tmp_path / "file").unlink()
    with pytest.raises(CheckpointError, match="is not there any more"):
        ck.tensor("fc.weight")


@pytest.mark.long
def test_a_hundred_thousand_tensors_stay_usable(tmp_path: Path) -> None:
    torch.save({f"t.{n}": torch.ones(2) for n in range(20_000)} | {"big": torch.ones(5)}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert len(ck.tensors) == 20_001
    assert torch.equal(ck.tensor("big"), torch.ones(5))


@pytest.mark.parametrize("name", ["<b>x</b>", "a'\"b", "new\nline", "\u202eabc", "x" * 10_000, "`code`", "$(rm)"])
def test_names_are_text(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modelview.cli import main

    torch.save({name: torch.ones(2), "extra": {name: 3}}, tmp_path / "file")
    ck = mv.read(tmp_path / "file")
    assert name in ck.tensors
    with pytest.raises(CheckpointError, match="No known architecture fits"):
        mv.open(f"{tmp_path}/file")
    assert main(["identify", f"{tmp_path}/file"]) == 0
    said = capsys.readouterr().out
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) < 1000


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.delenv("MODELVIEW_READ_TENSORS", raising=False)
    return lambda: None
