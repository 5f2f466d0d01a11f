"""Every edit on every torchvision model: it works, or docs/edits.md has the reason why it cannot."""

import pytest

from tests.docs import EDITS_BY_FAMILY, between
from tests.families import family, read, tried
from tests.zoo import ALL

pytestmark = pytest.mark.zoo


@pytest.mark.parametrize("name", ALL)
def test_each_edit_works_or_the_table_says_why_not(name: str) -> None:
    found = between("families").search(EDITS_BY_FAMILY.read_text())
    assert found
    row = read(found.group())[family(name)]
    for label, outcome in tried(name).items():
        assert outcome in row[label], f"{EDITS_BY_FAMILY.name} is not up to date for {label}; run make docs"
