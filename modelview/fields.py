"""Types that tell the UI which widget asks for an edit's field, and how JSON spells it."""

import re
from dataclasses import dataclass
from typing import NewType

from modelview.errors import EditError

ModulePath = NewType("ModulePath", str)
"""A dotted name from `named_modules()`; "" is the whole model."""

Pattern = NewType("Pattern", str)
"""A module or parameter path, a dotted prefix of one, or an fnmatch pattern; see `names.matches`."""


@dataclass(frozen=True)
class Ask:
    """How a form asks for a field: `Annotated[int, Ask("Classes")]`.

    label: the field's own name if empty. help: a sentence. choices: the only values it takes; one alone is
    not asked for. rare: behind a fold.
    """

    label: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()
    rare: bool = False


@dataclass(frozen=True)
class FileRef:
    """A file as a recipe knows it: by the SHA-256 of what is in it, and by the name that people gave it.

    It says nothing about where the file lies: `files.find` looks among those that were given.
    """

    sha256: str
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise EditError(f"A file is known by its SHA-256, 64 hexadecimal digits; got {self.sha256[:70]!r}.")
