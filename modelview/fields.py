"""Types that tell the UI which widget asks for an edit's field, and how JSON spells it."""

from dataclasses import dataclass
from typing import NewType

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
