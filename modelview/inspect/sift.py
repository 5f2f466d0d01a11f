"""Choose among rows by what a person types."""

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from modelview.names import matches


class Named(Protocol):
    """A row of any table."""

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> str: ...


Row = TypeVar("Row", bound=Named)


def sift(rows: Iterable[Row], text: str = "", depth: int | None = None) -> list[Row]:
    """The rows that any of the words or patterns in `text` fits, and that lie no deeper than `depth`.

    A word fits a path that it is a pattern of (see `names.matches`), or a part of, and a type that it begins.
    Words stand apart by spaces or commas; "or" between them is ignored. A path without dots has depth 1.
    """
    words = [word for word in re.split(r"[\s,]+", text.strip()) if word and word != "or"]
    return [
        row
        for row in rows
        if (depth is None or _depth(row.path) <= depth) and (not words or any(_fits(row, w) for w in words))
    ]


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _fits(row: Named, word: str) -> bool:
    low = word.lower()
    return matches(row.path, word) or low in row.path.lower() or row.kind.lower().startswith(low)
