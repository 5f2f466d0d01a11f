"""Adding an edit, a source, an export or a page is one file and one test: here is who forgot the test."""

from importlib import import_module
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = sorted((TESTS.parent / "pages").glob("*.py"))


@pytest.mark.parametrize(("folder", "registry"), [("edits", "EDITS"), ("sources", "SOURCES"), ("export", "EXPORTS")])
def test_every_registered_kind_has_its_own_test_file(folder: str, registry: str) -> None:
    kinds = getattr(import_module(f"modelview.{folder}.base"), registry)
    files = {kinds[name].__module__.rpartition(".")[2] for name in kinds}
    assert files, f"{registry} is empty"
    tests = [TESTS / folder / f"test_{file}.py" for file in sorted(files)]
    assert not (missing := [f"tests/{folder}/{test.name}" for test in tests if not test.exists()]), missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_has_its_own_test_file(page: Path) -> None:
    name = page.stem.lstrip("0123456789_").lower()
    assert (TESTS / "pages" / f"test_{name}.py").exists()
