from pathlib import Path

import pytest

from modelview import files
from modelview.errors import EditError
from modelview.fields import FileRef


def test_a_file_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"abc")
    (tmp_path / "b.pth").write_bytes(b"abc")
    ref = files.give(tmp_path / "a.pth")
    assert ref == FileRef("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "a.pth")
    assert files.find(ref) == (tmp_path / "a.pth",)
    assert files.give(tmp_path / "b.pth", name="mine").sha256 == ref.sha256


def test_a_set_of_files_is_one(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("1.bin", "2.bin")]
    for path in paths:
        path.write_text(path.name)
    ref = files.give(paths)
    assert files.find(ref) == tuple(paths)
    folder = files.give(tmp_path)
    assert folder.sha256 == ref.sha256
    assert files.find(folder) == (tmp_path,)
    paths[0].write_text("other")
    assert files.give(paths).sha256 != ref.sha256


def test_progress_counts_all_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(5_000_000))
    seen: list[tuple[int, int]] = []
    files.give(tmp_path / "a", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5_000_000, 5_000_000)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(b"longer"), "The file 'a.pth' has changed since it was given; give it again."),
        (lambda path: path.unlink(), "which is not at hand: give the file first"),
    ],
    ids=["changed", "gone"],
)
def test_a_file_that_is_not_what_it_was_is_not_found(change: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"x")
    ref = files.give(path)
    assert callable(change)
    change(path)
    with pytest.raises(EditError) as caught:
        files.find(ref)
    assert message in str(caught.value)


def test_what_was_never_given_is_not_looked_for() -> None:
    with pytest.raises(EditError, match="which is not at hand"):
        files.find(FileRef("0" * 64, "/etc/passwd"))


@pytest.mark.parametrize("digest", ["", "abc", "Z" * 64, "0" * 63 + "\n", "../" * 21 + "0"])
def test_a_reference_needs_a_digest(digest: str) -> None:
    with pytest.raises(EditError, match="64 hexadecimal digits"):
        FileRef(digest, "a.pth")


@pytest.mark.parametrize("name", ["nowhere.pth", "."])
def test_what_is_not_there_cannot_be_given(name: str, tmp_path: Path) -> None:
    with pytest.raises(EditError, match=r"There is no file|is empty"):
        files.give(tmp_path / name)
