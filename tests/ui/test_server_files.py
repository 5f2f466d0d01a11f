"""Files on the server: below the operator's folders, and nowhere else."""

import os
from pathlib import Path

import pytest

from modelview.errors import EditError
from modelview.ui import server_files


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shown"
    (folder / "runs/sharded").mkdir(parents=True)
    for name in ("a.pth", ".hidden", "runs/b.ckpt", "runs/sharded/model.safetensors.index.json"):
        (folder / name).touch()
    (tmp_path / "secret.pth").touch()
    (folder / "leads_out.pth").symlink_to(tmp_path / "secret.pth")
    (folder / "stays.pth").symlink_to(folder / "a.pth")
    monkeypatch.setenv("MODELVIEW_FILES", os.pathsep.join([str(folder), str(tmp_path / "missing")]))
    return folder


def test_what_lies_below_is_listed(shown: Path) -> None:
    names = {str(path.relative_to(shown)) for path in server_files.listed("")}
    sharded = {"runs/sharded", "runs/sharded/model.safetensors.index.json"}
    assert names == {"a.pth", "stays.pth", "runs/b.ckpt"} | sharded
    assert [path.name for path in server_files.listed("RUNS ckpt")] == ["b.ckpt"]


@pytest.mark.parametrize("path", ["../secret.pth", "leads_out.pth", "/etc/passwd", "..", "runs/../../secret.pth"])
def test_what_leads_out_is_refused(path: str, shown: Path) -> None:
    with pytest.raises(EditError, match=r"lies outside the folders that this server shows \(MODELVIEW_FILES\)"):
        server_files.within(shown / path)


def test_a_link_that_stays_is_what_it_leads_to(shown: Path) -> None:
    assert server_files.within(shown / "stays.pth") == shown / "a.pth"


def test_without_the_setting_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELVIEW_FILES", raising=False)
    assert server_files.folders() == ()
    assert server_files.listed("") == []
    with pytest.raises(EditError):
        server_files.within(Path("/etc/passwd"))
