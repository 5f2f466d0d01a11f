"""A module of somebody's own, for tests of models that a factory makes."""

from pathlib import Path

import pytest

from modelview.sources import _importing
from tests.runner import runner


def write(folder: Path, name: str, text: str) -> Path:
    """The folder, with a module that the process that runs exported code finds as well."""
    (folder / f"{name}.py").write_text(text)
    runner().finds(folder)
    return folder


def allow_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process finds it too, and nothing is allowed yet."""
    monkeypatch.setattr(_importing, "_allowed", set())
    monkeypatch.syspath_prepend(folder)
