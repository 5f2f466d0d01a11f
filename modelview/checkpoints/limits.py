"""How much a file may ask of the machine that reads it. Settings, named in the message when one is hit."""

import os
from dataclasses import dataclass, fields

from modelview.errors import EditError

PREFIX = "MODELVIEW_READ_"


@dataclass(frozen=True)
class Limits:
    """Each can be set by an environment variable: `memory_mb` by MODELVIEW_READ_MEMORY_MB, and so on.

    memory_mb: address space of the reader process. seconds: its time. tensors, objects: how many a file may
    hold. depth: how deeply they may be nested. header_mb: of a pickle, a JSON header or an archive's directory.
    declared_gb: what all storages may claim together. answer_mb: what the reader may say of a file to the process that
    asked, which needs some twenty times as much to hold it.
    """

    memory_mb: int = 2_000
    seconds: int = 60
    tensors: int = 1_000_000
    objects: int = 20_000_000
    depth: int = 500
    header_mb: int = 200
    declared_gb: int = 10_000
    answer_mb: int = 32

    @classmethod
    def from_environment(cls) -> "Limits":
        """The limits that the operator set. Raises EditError for a setting that is no number from 1 up."""
        found = {}
        for each in fields(cls):
            name = PREFIX + each.name.upper()
            if text := os.environ.get(name, ""):
                if not text.isascii() or not text.isdigit() or not int(text):
                    raise EditError(f"{name} is a whole number from 1 up; it is set to {text!r}.")
                found[each.name] = int(text)
        return cls(**found)
