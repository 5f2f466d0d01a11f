"""Here is neither timm nor an index of it, whatever this machine has, unless a test brings them."""

from pathlib import Path

import pytest

from modelview.identify import kept


@pytest.fixture(autouse=True)
def no_timm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "timm_version", lambda: None)
