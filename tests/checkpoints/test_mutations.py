"""Whatever happens to the bytes of a file, reading it gives a checkpoint or one sentence."""

import functools
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

import modelview as mv
from modelview.checkpoints import graph, unwrap
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Refused
from modelview.checkpoints.worker import described
from modelview.errors import CheckpointError
from tests.checkpoints.making import MAKERS, made

LIMITS = Limits(memory_mb=1_000)


@pytest.fixture(autouse=True, scope="module")
def bounded() -> Iterator[None]:
    """This process reads here what only a bounded one may: a changed byte can ask for all memory there is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2_000_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@functools.cache
def original(name: str) -> Path:
    return made(name, Path(tempfile.mkdtemp(prefix="mutated-")))


def mutated(name: str, folder: Path, where: float, how: str, value: int) -> Path:
    """A copy with one of its files changed at one place."""
    source = original(name)
    copy = folder / "copy"
    if source.is_dir():
        shutil.copytree(source, copy)
        files = sorted(copy.iterdir())
        file = files[value % len(files)]
    else:
        shutil.copy(source, copy)
        file = copy
    content = bytearray(file.read_bytes())
    at = int(where * (len(content) - 1))
    if how == "flip":
        content[at] ^= 1 << value % 8
    elif how == "set":
        content[at] = value
    elif how == "cut":
        del content[at:]
    elif how == "drop":
        del content[at : at + 1 + value]
    else:
        content[at:at] = bytes([value]) * (1 + value % 9)
    file.write_bytes(content)
    return copy


CHANGE = (
    st.floats(0, 1),
    st.sampled_from(["flip", "set", "cut", "drop", "insert"]),
    st.integers(0, 255),
)


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=60, deadline=None)
@given(*CHANGE)
def test_a_changed_file_is_read_or_refused(name: str, where: float, how: str, value: int) -> None:
    """In this process, where whatever else is raised would be seen; nothing in it can be run either."""
    with tempfile.TemporaryDirectory() as folder:
        path = mutated(name, Path(folder), where, how, value)
        try:
            answer = described([path], LIMITS)
        except Refused:
            return
        unwrap.candidates(graph.restored(answer["tree"]))


@pytest.mark.parametrize("name", ["zip", "legacy", "safetensors", "torchscript", "pickle of protocol 4"])
@settings(max_examples=8, deadline=None)
@given(*CHANGE)
def test_values_of_a_changed_file_are_given_or_refused(name: str, where: float, how: str, value: int) -> None:
    """Through the reader process, to the last value."""
    with tempfile.TemporaryDirectory() as folder:
        path = mutated(name, Path(folder), where, how, value)
        try:
            ck = mv.read(path)
            tensors = [ck.tensor(each) for each in ck.tensors]
        except CheckpointError:
            return
        assert all(isinstance(torch.isnan(tensor.float()).sum().item(), (int, float)) for tensor in tensors)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x80\x02", b"\x80\x04", b"PK\3\4", b"\x08\x07", b"\x0a\0\0\0\0\0\0\0{"]),
)
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(start + content)
        try:
            answer = described([path], LIMITS)
        except Refused:
            return
        graph.restored(answer["tree"])
