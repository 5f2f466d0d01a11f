"""torch.distributed.checkpoint: a folder with `.metadata`, and pieces of tensors in .distcp files."""

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from modelview.checkpoints import stubs
from modelview.checkpoints.formats._archive import Archive
from modelview.checkpoints.formats.base import FORMATS, Format, Start
from modelview.checkpoints.formats.zip import saved
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, Stub, TensorInfo
from modelview.checkpoints.tensors import SIZES
from modelview.names import short

METADATA = ".metadata"
_PACKAGE = "torch.distributed.checkpoint."
Piece = tuple[tuple[int, ...], str, int, int]
"""Offsets in the whole tensor, and where the piece lies: file, first byte, length."""


@FORMATS.register("dcp")
class Distributed(Format):
    """`dcp.save(...)`: the values of each piece are a small file of torch.save inside a larger one."""

    rank: ClassVar[int] = 60

    @classmethod
    def fits(cls, start: Start) -> bool:
        return any(path.name == METADATA for path in start.paths)

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        metadata = next(path for path in start.paths if path.name == METADATA)
        with metadata.open("rb") as opened:
            value, asked = stubs.read(opened)
        state = value.state if isinstance(value, Stub) else None
        if not isinstance(state, dict) or not isinstance(state.get("state_dict_metadata"), dict):
            raise Refused("The folder's .metadata is not one that torch.distributed.checkpoint writes.")
        pieces = _pieces(state.get("storage_data"))
        reading = _Reading(metadata.parent, limits)
        root: dict[str, Any] = {}
        for name, about in state["state_dict_metadata"].items():
            root[str(name)] = reading.value(str(name), about, pieces.get(str(name), []))
        files = {file for found in pieces.values() for _, file, _, _ in found}
        placed = _nested(root, state.get("planner_data"))
        named = tuple(dict.fromkeys([*asked, *reading.asked]))
        return Content("dcp", placed, reading.spans, named, {"files": f"{len(files):,}"})


class _Reading:
    """The storages of all pieces, opened as they are needed."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self.spans: list[Span] = []
        self.asked: dict[str, None] = {}

    def value(self, name: str, about: Any, pieces: list[Piece]) -> Any:
        """A tensor whole or in pieces; or something else that was saved beside them, by itself."""
        state = about.state if isinstance(about, Stub) and isinstance(about.state, dict) else {}
        properties = state.get("properties")
        if not isinstance(properties, Stub) or not isinstance(properties.state, tuple):
            if len(pieces) != 1:
                raise Refused(f"The folder's .metadata does not say where {short(name)!r} lies.")
            ((_, file, start, length),) = pieces
            return self._saved(name, file, start, length)
        dtype = stubs.name_of(properties.state[0]).removeprefix("torch.")
        shape = state.get("size")
        if dtype not in SIZES or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise Refused(f"The folder's .metadata does not say what {short(name)!r} is.")
        nbytes = prod(shape) * SIZES[dtype]
        parts = [(offsets, self._piece(name, file, start, length)) for offsets, file, start, length in pieces]
        if len(parts) == 1 and parts[0][1].shape == shape:
            return replace(parts[0][1], requires_grad=False)
        _require_filled(name, shape, parts)
        named = tuple((f"at {offsets}", part) for offsets, part in parts)
        details = tuple((f"at {offsets}", offsets) for offsets, _ in parts)
        return TensorInfo(shape, dtype, nbytes, storage_nbytes=nbytes, layout="chunked", parts=named, details=details)

    def _piece(self, name: str, file: str, start: int, length: int) -> TensorInfo:
        found = self._saved(name, file, start, length)
        if not isinstance(found, TensorInfo) or found.storage is None:
            raise Refused(f"{short(name)!r} is kept in a way that torch.distributed.checkpoint does not write.")
        return found

    def _saved(self, name: str, file: str, start: int, length: int) -> Any:
        """What torch.save wrote into a part of a file; its storages are numbered behind those before."""
        if Path(file).name != file or file in ("", ".", "..") or "\\" in file:
            raise Refused(f"The folder's .metadata names the file {short(file)!r}, which leads out of it.")
        path = self._folder / file
        if not path.is_file() or (path.is_symlink() and path.resolve().parent != self._folder.resolve()):
            raise Refused(f"{short(file)!r} is missing: {short(name, 60)!r} is said to be in it.")
        content = saved(Archive(path, self._limits, start, length), len(self.spans))
        self.spans += content.storages
        self.asked |= dict.fromkeys(content.globals)
        return content.root


def _pieces(storage_data: Any) -> dict[str, list[Piece]]:
    """Where every piece of every tensor lies."""
    found: dict[str, list[Piece]] = {}
    for index, info in storage_data.items() if isinstance(storage_data, dict) else ():
        where = index.state if isinstance(index, Stub) and isinstance(index.state, dict) else {}
        place = info.state if isinstance(info, Stub) and isinstance(info.state, dict) else {}
        file, start, length = place.get("relative_path"), place.get("offset"), place.get("length")
        if not isinstance(file, str) or type(start) is not int or type(length) is not int:
            raise Refused("The folder's .metadata does not say where its values lie.")
        offsets = where.get("offset")
        chosen = offsets if isinstance(offsets, tuple) and all(type(n) is int and n >= 0 for n in offsets) else ()
        found.setdefault(str(where.get("fqn")), []).append((chosen, file, start, length))
    return found


def _require_filled(name: str, shape: tuple[int, ...], parts: list[tuple[tuple[int, ...], TensorInfo]]) -> None:
    """The pieces lie inside the tensor and are as many elements as it has."""
    inside = all(
        len(offsets) == len(part.shape) == len(shape)
        and all(begin + size <= whole for begin, size, whole in zip(offsets, part.shape, shape, strict=True))
        for offsets, part in parts
    )
    if not inside or sum(prod(part.shape) for _, part in parts) != prod(shape):
        raise Refused(f"The pieces of {short(name)!r} do not make up its shape {shape}: a file of the set is missing.")


def _nested(flat: dict[str, Any], planner: Any) -> dict[str, Any]:
    """The dicts and lists that were saved, from the paths that the planner kept; flat where it kept none."""
    paths = planner if isinstance(planner, dict) else {}
    root: dict[Any, Any] = {}
    made: list[tuple[dict[Any, Any], Any]] = []
    for name, value in flat.items():
        path = paths.get(name)
        *outer, last = path if isinstance(path, tuple) and path else (name,)
        place = root
        for step in outer:
            key = _key(step)
            if key not in place:
                place[key] = {}
                made.append((place, key))
            place = place[key]
            if not isinstance(place, dict):
                raise Refused("The folder's .metadata gives one place to two things.")
        place[_key(last)] = value
    for outside, key in reversed(made):
        inner = outside[key]
        if set(map(type, inner)) == {int} and inner.keys() == set(range(len(inner))):
            outside[key] = [inner[number] for number in range(len(inner))]
    return root


def _key(step: Any) -> int | str:
    """A step of a path: the planner spells keys of dicts as text and places in lists as numbers."""
    return step if type(step) is int else str(step)
