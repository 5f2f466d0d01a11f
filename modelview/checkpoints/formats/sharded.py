"""One set of weights in several files, with an index that says which tensor is where, or by their numbers."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from modelview.checkpoints.formats.base import FORMATS, HEAD_BYTES, Format, Start
from modelview.checkpoints.formats.safetensors import Safetensors
from modelview.checkpoints.formats.zip import Zip
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Content, Refused, Span, TensorInfo
from modelview.names import short

INDEX = ".index.json"
_NUMBERED = re.compile(r"^(.*)-(\d{5})-of-(\d{5})(\.\w+)$")
_MOST_FILES = 10_000


@FORMATS.register("sharded")
class Sharded(Format):
    """Safetensors or zip files: a folder, the files chosen together, or the index beside its files."""

    rank: ClassVar[int] = 50

    @classmethod
    def fits(cls, start: Start) -> bool:
        if len(start.paths) == 1 and start.head:
            return start.head.lstrip()[:1] == b"{" and b'"weight_map"' in start.head
        return bool(_indexes(start.paths) or _numbered(start.paths))

    @classmethod
    def read(cls, start: Start, limits: Limits) -> Content:
        indexes = list(start.paths) if start.head else _indexes(start.paths)
        if len(indexes) > 1:
            names = ", ".join(short(path.name, 60) for path in indexes)
            raise Refused(f"The folder has several sets of weights: choose one index ({names}).")
        if indexes:
            return _merged(_by_index(indexes[0], start.paths, limits), limits, ())
        shards: dict[Path, set[str] | None] = dict.fromkeys(_numbered(start.paths))
        note = "There is no index beside these files: they were put together by the numbers in their names."
        return _merged(shards, limits, (note,))


def _indexes(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.name.endswith(INDEX)]


def _numbered(paths: Iterable[Path]) -> list[Path]:
    """The files of one set by the numbers in their names; [] where they are none. Refused where one is missing."""
    found = {path: match for path in paths if (match := _NUMBERED.match(path.name))}
    if not found:
        return []
    sets = {(match[1], match[3], match[4]) for match in found.values()}
    if len(sets) > 1:
        raise Refused(
            f"These are files of {len(sets)} sets: {', '.join(sorted(short(stem, 60) for stem, _, _ in sets))}."
        )
    ((stem, count, suffix),) = sets
    if int(count) > _MOST_FILES:
        raise Refused(f"The files are numbered to {int(count):,}; a set has at most {_MOST_FILES:,}.")
    there = {int(match[2]) for match in found.values()}
    if missing := [number for number in range(1, int(count) + 1) if number not in there]:
        raise Refused(f"'{short(stem, 60)}-{missing[0]:05}-of-{count}{suffix}' is missing from the set.")
    return sorted(found)


def _by_index(index: Path, given: Iterable[Path], limits: Limits) -> dict[Path, set[str] | None]:
    """Which tensors the index says each file has. The files lie beside it, or were chosen with it."""
    if index.stat().st_size > limits.header_mb * 1_000_000:
        raise Refused(f"The index has more than the limit of {limits.header_mb} MB (MODELVIEW_READ_HEADER_MB).")
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
        weights: Any = content["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"{short(index.name)!r} is no index of shards: it has no weight_map.") from error
    if not isinstance(weights, dict) or not weights or not all(isinstance(name, str) for name in weights.values()):
        raise Refused(f"The weight_map of {short(index.name)!r} does not say which file each tensor is in.")
    chosen = {path.name: path for path in given}
    found: dict[Path, set[str] | None] = {}
    for name, file in weights.items():
        if Path(file).name != file or file in ("", ".", "..") or "\\" in file or "\0" in file:
            raise Refused(f"The index names the file {short(file)!r}, which leads out of its folder.")
        path = chosen.get(file, index.with_name(file))
        if path not in found and not _lies_beside(path, index):
            raise Refused(f"{short(file)!r} is missing: the index says that {short(name, 60)!r} is in it.")
        held = found.setdefault(path, set())
        assert held is not None
        held.add(name)
    return found


def _lies_beside(path: Path, index: Path) -> bool:
    """A file of its own; a link that leads elsewhere does not count, unless the index is such a link too."""
    return path.is_file() and (not path.is_symlink() or index.is_symlink())


def _merged(shards: dict[Path, set[str] | None], limits: Limits, notes: tuple[str, ...]) -> Content:
    root: dict[str, Any] = {}
    spans: list[Span] = []
    asked: dict[str, None] = {}
    for path, wanted in shards.items():
        content = _shard(path, limits)
        tensors = content.root if isinstance(content.root, dict) else {}
        if wanted is not None and (absent := sorted(wanted - tensors.keys())):
            raise Refused(
                f"{short(path.name)!r} does not have the tensor {short(absent[0])!r} that the index says is in it."
            )
        for name, info in tensors.items():
            if not isinstance(info, TensorInfo):
                continue
            if name in root:
                raise Refused(f"{short(str(name))!r} is in two files of the set.")
            root[name] = _moved(info, len(spans))
        spans += content.storages
        asked |= dict.fromkeys(content.globals)
    return Content("sharded", root, spans, tuple(asked), {"files": f"{len(shards):,}"}, notes)


def _shard(path: Path, limits: Limits) -> Content:
    with path.open("rb") as opened:
        start = Start((path,), opened.read(HEAD_BYTES))
    if start.head[:4] == b"PK\3\4":
        return Zip.read(start, limits)
    if Safetensors.fits(start):
        return Safetensors.read(start, limits)
    raise Refused(f"{short(path.name)!r} in the set is neither safetensors nor a file of torch.save.")


def _moved(info: TensorInfo, by: int) -> TensorInfo:
    """The tensor with its storage's number among those of all files."""
    parts = tuple((name, _moved(part, by)) for name, part in info.parts)
    return replace(info, storage=None if info.storage is None else info.storage + by, parts=parts)
