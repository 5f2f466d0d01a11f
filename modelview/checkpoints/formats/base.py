"""What a format is, and the registry that finds every format in this folder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from zipfile import ZipInfo

from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content
from modelview.registry import Registry

FORMATS: Registry[type["Format"]] = Registry("format", "modelview.checkpoints.formats")

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Start:
    """What a file is recognised by: never its suffix.

    paths: the file; or the files of a set, chosen together; or a folder's. head: the first bytes of a single
    file, b"" for a set. directory: of a single file that is a zip archive; nothing in it is believed yet.
    """

    paths: tuple[Path, ...]
    head: bytes = b""
    directory: tuple[ZipInfo, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the entries of a zip archive."""
        return tuple(info.filename for info in self.directory)


class Format(ABC):
    """One way of keeping tensors in files. Subclasses hold no state."""

    rank: ClassVar[int] = 0
    """Asked in this order, highest first; what is more particular comes before what is more general."""

    @classmethod
    @abstractmethod
    def fits(cls, start: Start) -> bool:
        """Whether the content looks like this format."""

    @classmethod
    @abstractmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        """What is in it, without values. Raises Refused with one sentence."""
