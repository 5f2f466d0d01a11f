"""Types that tell the UI which widget asks for an edit's field, and how JSON spells it."""

from typing import NewType

ModulePath = NewType("ModulePath", str)
"""A dotted name from `named_modules()`; "" is the whole model."""

Pattern = NewType("Pattern", str)
"""A module or parameter path, a dotted prefix of one, or an fnmatch pattern; see `names.matches`."""
