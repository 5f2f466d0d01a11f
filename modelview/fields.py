"""Types that tell the UI which widget asks for an edit's field, and how JSON spells it."""

import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin

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


def misfit(value: Any, kind: Any) -> str:
    """What a field of this type takes, where `value` is something else; "" where it is right, or a number.

    Numbers are for the edits to judge, which know their bounds.

    >>> misfit("layer1", ModulePath), misfit(3, ModulePath), misfit("yes", bool), misfit(("a", 2), tuple[Pattern, ...])
    ('', 'a text', 'True or False', 'a list, each a text')
    """
    kind = getattr(kind, "__supertype__", kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        found = [misfit(value, each) for each in inner if each is not type(None)]
        return "" if value is None or "" in found else " or ".join(dict.fromkeys(found))
    if origin is tuple:
        if not isinstance(value, tuple):
            return "a list"
        every = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        wrong = [m for m in map(misfit, value, every) if m] if len(every) == len(value) else [f"{len(every)} long"]
        return f"a list, each {wrong[0]}" if wrong else ""
    if kind is bool:
        return "" if type(value) is bool else "True or False"
    if kind is str:
        return "" if isinstance(value, str) else "a text"
    try:
        hash(value)
    except TypeError:
        return "a plain value"
    return ""


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
