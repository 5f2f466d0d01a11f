"""What torch.save wrote before 1.6: five pickles in a row, then the storages."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from modelview.checkpoints import stubs
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span
from modelview.checkpoints.tensors import Storages
from modelview.names import short

MAGIC = 0x1950A86A20F9469CFC6C
MARK = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The magic number as a pickle writes it, behind the protocol and, from protocol 4 on, the length of what follows."""
_FRAME_BYTES = 9
PROTOCOL = 1001
_UNKNOWN = -1


@FORMATS.register("legacy")
class Legacy(Format):
    """Also written today by `_use_new_zipfile_serialization=False`. It has no CRC."""

    rank: ClassVar[int] = 30

    @classmethod
    def fits(cls, start: Start) -> bool:
        return (
            len(start.paths) == 1 and start.head[:1] == b"\x80" and MARK in start.head[2 : 2 + _FRAME_BYTES + len(MARK)]
        )

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        path = start.paths[0]
        with path.open("rb") as opened:
            return saved(opened, path, 0, path.stat().st_size)


def saved(opened: BinaryIO, path: Path, begin: int, size: int) -> Content:
    """The object that was saved at this place of an open file. begin: where its bytes lie in `path`. Raises Refused."""
    asked: list[str] = []

    def load(place: Any = None) -> Any:
        value, names = stubs.read(opened, place)
        asked.extend(names)
        return value

    if load() != MAGIC or load() != PROTOCOL:
        raise Refused("The file begins as torch's format of before 1.6, but is of another version.")
    info = load()
    if isinstance(info, dict) and info.get("little_endian") is False:
        raise Refused("The file was written on a machine with big-endian numbers; save it again on another.")
    keys: list[str] = []

    def locate(key: str, nbytes: int, device: str) -> Span:
        keys.append(key)
        return Span(str(path), _UNKNOWN, nbytes, None, device)

    storages = Storages(locate)
    root = load(lambda pid: pid[1] if _is_class(pid) else storages(pid))
    order = load()
    if not isinstance(order, list) or not all(isinstance(key, str) for key in order) or set(order) != set(keys):
        raise Refused("The file does not list the storages that its tensors use.")
    numbers = {key: number for number, key in enumerate(keys)}
    for key in order:
        number = numbers[key]
        span = storages.spans[number]
        size_of_one = storages.sizes[number]
        stated = opened.read(8)
        if len(stated) < 8 or struct.unpack("<q", stated)[0] * size_of_one != span.nbytes:
            raise Refused(f"Storage {short(key)!r} does not have the {span.nbytes:,} bytes that its tensors say.")
        if opened.tell() + span.nbytes > size:
            raise Refused(f"The file is truncated: storage {short(key)!r} goes on behind its end.")
        storages.spans[number] = replace(span, start=begin + opened.tell())
        opened.seek(span.nbytes, 1)
    return Content("legacy", root, storages.spans, tuple(dict.fromkeys(asked)))


def _is_class(pid: Any) -> bool:
    """("module", class, file, source): how a module's class was saved, its source text beside it."""
    return isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module"
