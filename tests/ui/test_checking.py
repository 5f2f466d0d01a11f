"""The check of a file's values: once a file, again where it stopped at another file in its place, never a traceback."""

import os
from pathlib import Path
from threading import Event, Thread

import pytest
import torch

import modelview as mv
from modelview import files
from modelview.checkpoints.reading import Checkpoint
from modelview.errors import CheckpointError
from modelview.ui import checking
from modelview.ui.checking import Check, begun


def saved(folder: Path) -> Path:
    torch.save({"w": torch.rand(1000)}, folder / "weights.pth")
    return folder / "weights.pth"


def checked(file: Path) -> Check:
    """The check of a file, at its end."""
    check = begun(files.give(file), mv.read(file))
    assert check.done.wait(60)
    return check


def test_a_file_is_checked_once_whoever_asks(tmp_path: Path) -> None:
    file = saved(tmp_path)
    check = checked(file)
    assert checked(file) is check
    assert (check.failure, check.share) == (None, 1.0)
    assert check.sentence == "All values are intact: 4 KB have the CRC-32 that was stored with them."


def test_values_without_a_checksum_are_said_to_have_none() -> None:
    assert Check(0, 10, {}).sentence == "This format stores no checksums; the values can be read."
    assert Check(4, 10, {}).sentence == "4 B of 10 B of values are intact; the file has no checksum of the rest."


def test_a_file_put_back_is_checked_again(tmp_path: Path) -> None:
    file = saved(tmp_path)
    ck = mv.read(file)
    os.utime(file, ns=(1, 1))
    check = begun(files.give(file), ck)
    assert check.done.wait(60)
    assert "'weights.pth' has changed since it was read; read it again." in str(check.failure)
    assert begun(files.give(file), ck) is check
    assert checked(file).failure is None


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (CheckpointError("It is damaged."), "It is damaged."),
        (OSError(5, "Input/output error"), "The values could not be checked: [Errno 5] Input/output error."),
        (MemoryError(), "The values could not be checked: MemoryError."),
        (ValueError("mmap length is greater than file size"), "could not be checked: mmap length"),
    ],
    ids=["damage", "disk", "memory", "map"],
)
def test_whatever_goes_wrong_is_a_sentence(
    raised: Exception, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify(*_: object) -> None:
        raise raised

    monkeypatch.setattr(Checkpoint, "verify", verify)
    assert message in str(checked(saved(tmp_path)).failure)


def test_many_who_ask_at_once_begin_one_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, runs = Event(), list[int]()

    def verify(*_: object) -> None:
        runs.append(1)
        goes_on.wait(60)

    monkeypatch.setattr(Checkpoint, "verify", verify)
    file, ck = files.give(saved(tmp_path)), mv.read(tmp_path / "weights.pth")
    threads = [Thread(target=begun, args=(file, ck)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    goes_on.set()
    assert begun(file, ck).done.wait(60)
    assert len(runs) == 1


def test_old_results_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST", 2)
    for _ in range(4):
        checked(saved(tmp_path))
    assert len(checking._checks) == 2
