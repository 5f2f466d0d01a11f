"""The first format of torch.save, of before 2017: a tar with pickles of storages, tensors and the object."""

import io
import struct
import tarfile
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from modelview.checkpoints import stubs, tensors
from modelview.checkpoints.formats._part import Part
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, TensorInfo
from modelview.checkpoints.tensors import Storages
from modelview.names import short

_MARK, _AT = b"ustar", 257
_NAMES = ("sys_info", "storages", "tensors", "pickle")
_MOST = 10_000_000


@FORMATS.register("tar")
class Tar(Format):
    """Nothing is unpacked: the members are read where they lie."""

    rank: ClassVar[int] = 20

    @classmethod
    def fits(cls, start: Start) -> bool:
        return len(start.paths) == 1 and start.head[_AT : _AT + len(_MARK)] == _MARK

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        path = start.paths[0]
        members = _members(path)
        asked: list[str] = []
        with path.open("rb") as opened:
            parts = {
                name: io.BufferedReader(Part(opened, *members[name])) for name in ("storages", "tensors", "pickle")
            }
            storages = _storages(parts["storages"], path, members["storages"][0], asked)
            found = _tensors(parts["tensors"], storages, asked)

            def place(pid: Any) -> Any:
                key = str(pid[0] if isinstance(pid, tuple) and pid else pid)
                return found.get(key, pid[0] if isinstance(pid, tuple) and pid else None)

            root, names = stubs.read(parts["pickle"], place)
        return Content("tar", root, storages.spans, tuple(dict.fromkeys([*asked, *names])))


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Where each member lies: first byte and length."""
    found: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name in found:
                    raise Refused(f"The tar has two members called {short(name)!r}.")
                if member.isreg():
                    found[name] = member.offset_data, member.size
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise Refused(f"The tar archive cannot be read ({short(str(error))}): it is truncated or damaged.") from error
    if missing := [name for name in _NAMES if name not in found]:
        raise Refused(f"The file is a tar archive of something else: it has no {missing[0]!r}. Unpack it first.")
    return found


def _storages(opened: BinaryIO, path: Path, begin: int, asked: list[str]) -> Storages:
    """The storages and their views, each under the number that the file gives it."""
    spans: dict[str, Span] = {}
    storages = Storages(lambda key, _, __: spans[key])
    storages.made = {}
    for _ in range(_count(opened, asked)):
        args = _load(opened, asked)
        if not isinstance(args, tuple) or len(args) != 3:
            raise Refused("A storage of the tar is described in a way that torch does not.")
        key, device, kind = args
        dtype = tensors.dtype_of(kind)
        stated = opened.read(8)
        nbytes = struct.unpack("<q", stated)[0] * tensors.SIZES[dtype] if len(stated) == 8 else -1
        start = opened.tell()
        if nbytes < 0 or len(opened.read(nbytes)) != nbytes:
            raise Refused("The tar is truncated: a storage goes on behind its end.")
        spans[str(key)] = Span(str(path), begin + start, nbytes, None, str(device))
        storages.made[str(key)] = storages(("storage", kind, str(key), str(device), nbytes // tensors.SIZES[dtype]))
    views = _load(opened, asked)
    for view in views if isinstance(views, list) else ():
        target, root, offset, count = view
        base = storages.made.get(str(root))
        if base is None:
            raise Refused("A view of the tar is of a storage that is not in it.")
        storages.made[str(target)] = tensors.viewed(base, (str(target), offset, count))
    return storages


def _tensors(opened: BinaryIO, storages: Storages, asked: list[str]) -> dict[str, TensorInfo]:
    found: dict[str, TensorInfo] = {}
    for _ in range(_count(opened, asked)):
        args = _load(opened, asked)
        if not isinstance(args, tuple) or len(args) != 3:
            raise Refused("A tensor of the tar is described in a way that torch does not.")
        key, storage = str(args[0]), storages.made.get(str(args[1]))
        dims = _numbers(opened, "<i4x")[0]
        if not 0 <= dims <= tensors.MOST_DIMENSIONS:
            raise Refused(f"A tensor of the tar has {dims:,} dimensions.")
        shape, stride = _numbers(opened, f"<{dims}q"), _numbers(opened, f"<{dims}q")
        found[key] = tensors.tensor(storage, _numbers(opened, "<q")[0], shape, stride)
    return found


def _count(opened: BinaryIO, asked: list[str]) -> int:
    count = _load(opened, asked)
    if type(count) is not int or not 0 <= count <= _MOST:
        raise Refused("The tar does not say how many storages or tensors it has.")
    return count


def _load(opened: BinaryIO, asked: list[str]) -> Any:
    value, names = stubs.read(opened)
    asked.extend(names)
    return value


def _numbers(opened: BinaryIO, layout: str) -> tuple[int, ...]:
    content = opened.read(struct.calcsize(layout))
    if len(content) != struct.calcsize(layout):
        raise Refused("The tar is truncated: a tensor's description ends early.")
    return struct.unpack(layout, content)
