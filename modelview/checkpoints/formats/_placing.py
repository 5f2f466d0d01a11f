"""Where the bytes of an object lie in the file that it was read from."""

import mmap
from pathlib import Path
from typing import Any

from modelview.checkpoints.records import Span

LATIN = "latin-1"
"""How protocol 2 spells bytes: each as a character, in UTF-8."""


class Placing:
    """Finds bytes in a file by what they are: whatever is found there is the very same."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0
        with path.open("rb") as opened:
            self._content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)

    def span(self, value: Any) -> Span | None:
        """Of a bytes object, or a text that stands for one; None where the file has it in another form."""
        content = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
        if not content:
            return Span(str(self._path), 0, 0)
        found = self._find(content)
        if found >= 0:
            return Span(str(self._path), found, len(content))
        text = content.decode(LATIN).encode()
        found = self._find(text)
        return Span(str(self._path), found, len(text), coding=LATIN) if found >= 0 else None

    def _find(self, content: bytes) -> int:
        """From where the last was found, since objects lie in order; then from the beginning."""
        found = self._content.find(content, self._at)
        if found < 0:
            found = self._content.find(content)
        if found >= 0:
            self._at = found + len(content)
        return found
