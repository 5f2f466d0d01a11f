"""The directory of a zip archive, believed only where the file bears it out."""

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from modelview.checkpoints.formats._part import Part
from modelview.checkpoints.limits import Limits
from modelview.checkpoints.records import Refused, Span
from modelview.names import short

_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_STRANGERS = {
    "[Content_Types].xml": "an office document",
    "META-INF/MANIFEST.MF": "a Java archive",
    "AndroidManifest.xml": "an Android app",
    "metadata.json": "a Keras model",
    "mimetype": "an OpenDocument file or an e-book",
}

_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors", ".pkl", ".bin", ".onnx")
"""What files in an archive of something else are called that may be worth unpacking."""


@dataclass(frozen=True)
class Entry:
    """One file in an archive. start, nbytes: of its bytes, in the file that holds the archive.

    inflated: bytes when unpacked; None where it is stored as it is, as everything is but TorchScript's code.
    """

    name: str
    start: int
    nbytes: int
    crc: int
    inflated: int | None = None


class Archive:
    """A zip whose entries are stored, unique, apart from each other and where the directory says.

    file: on disk; start, length: the archive's bytes in it, all of it by default. directory: where it was read
    already. Raises Refused.
    """

    def __init__(
        self,
        file: Path,
        limits: Limits,
        start: int = 0,
        length: int | None = None,
        directory: Sequence[zipfile.ZipInfo] = (),
    ) -> None:
        self.file, self.limits = file, limits
        size = file.stat().st_size
        self._start, self._length = start, size - start if length is None else length
        if not 0 <= self._start <= self._start + self._length <= size:
            raise Refused(f"An archive is said to lie at byte {start:,} of {short(file.name)!r}, which has {size:,}.")
        with file.open("rb") as opened:
            infos = directory or self._directory(opened)
            _require_unique(infos)
            found = [self._entry(opened, info) for info in infos]
        _require_apart(found)
        self.entries = {entry.name: entry for entry in found}

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def read(self, name: str) -> bytes:
        """All of a small entry, its CRC checked. Raises Refused."""
        entry = self.entries.get(name)
        if entry is None:
            raise Refused(f"The archive has no entry {short(name)!r}.")
        size = entry.nbytes if entry.inflated is None else entry.inflated
        if max(size, entry.nbytes) > self.limits.header_mb * 1_000_000:
            raise Refused(
                f"{short(name)!r} in the archive has {size:,} bytes, more than the limit of "
                f"{self.limits.header_mb} MB (MODELVIEW_READ_HEADER_MB)."
            )
        with self.file.open("rb") as opened:
            opened.seek(entry.start)
            content = opened.read(entry.nbytes)
        if entry.inflated is not None:
            content = _inflated(content, entry.inflated)
        if len(content) != size or zlib.crc32(content) != entry.crc:
            raise Refused(f"{short(name)!r} in the archive is damaged: its CRC-32 is not the one that was stored.")
        return content

    def span(self, name: str, device: str = "cpu") -> Span:
        """Where the bytes of an entry lie. Raises Refused where there is none."""
        entry = self.entries.get(name)
        if entry is None:
            raise Refused(f"The archive has no entry {short(name)!r}, which a tensor is said to lie in.")
        if entry.inflated is not None:
            raise Refused(f"{short(name)!r} in the archive is compressed, so its values cannot be read in place.")
        return Span(str(self.file), entry.start, entry.nbytes, entry.crc, device)

    def root(self, leaf: str) -> str:
        """The folder of the archive in which `leaf` lies, with its slash; Refused where none or several have it."""
        found = [name for name in self.entries if name == leaf or (name.endswith(f"/{leaf}") and name.count("/") == 1)]
        if len(found) != 1:
            what = "several" if found else "no"
            raise Refused(f"The archive has {what} {leaf!r}, so it is not one that torch.save wrote.")
        return found[0].removesuffix(leaf)

    def _directory(self, opened: BinaryIO) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(io.BufferedReader(Part(opened, self._start, self._length))) as archive:
                return archive.infolist()
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError, UnicodeError) as error:
            raise Refused(
                f"The file is a zip archive whose directory cannot be read ({error}): it is truncated or damaged."
            ) from error

    def _entry(self, opened: BinaryIO, info: zipfile.ZipInfo) -> Entry:
        name = info.filename
        if not name or name.startswith("/") or "\\" in name or "\0" in info.orig_filename or ".." in name.split("/"):
            raise Refused(f"An entry of the archive is called {short(name)!r}, which leads out of it.")
        if info.flag_bits & _ENCRYPTED:
            raise Refused(f"{short(name)!r} in the archive is encrypted.")
        packed = info.compress_type == zipfile.ZIP_DEFLATED and "code/" in name
        if not packed and (info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size):
            guess = f"; this looks like {_STRANGERS[name]}" if name in _STRANGERS else ""
            raise Refused(f"{short(name)!r} in the archive is compressed, which torch never does{guess}.")
        inside = 0 <= info.header_offset < self._length
        opened.seek(self._start + info.header_offset if inside else 0)
        header = opened.read(_LOCAL.size) if inside else b""
        if len(header) < _LOCAL.size:
            raise Refused(f"{short(name)!r} in the archive is said to lie behind its end.")
        mark, _, flags, method, _, _, _, _, _, name_bytes, extra_bytes = _LOCAL.unpack(header)
        stored = opened.read(name_bytes)
        if mark != b"PK\3\4" or method != info.compress_type or flags & _ENCRYPTED or stored != _raw(info):
            raise Refused(f"The directory of the archive and the entry {short(name)!r} do not agree.")
        start = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
        if start + info.compress_size > self._length:
            raise Refused(f"{short(name)!r} in the archive is said to go on behind its end: the file is truncated.")
        return Entry(name, self._start + start, info.compress_size, info.CRC, info.file_size if packed else None)


def looks_like(names: tuple[str, ...]) -> str:
    """What a zip with these entries is, where it is no checkpoint; "a zip archive of something else" if unknown."""
    for name, what in _STRANGERS.items():
        if name in names:
            return what
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays (.npz)"
    if any(".dist-info/" in name for name in names):
        return "a Python wheel"
    if inner := next((name for name in names if name.lower().endswith(_SUFFIXES)), None):
        return f"a zip archive around {short(inner, 60)!r}: unpack it first"
    return "a zip archive of something else"


def _inflated(content: bytes, size: int) -> bytes:
    """Unpacked, and no further than the directory says: a few bytes cannot become gigabytes."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
    except zlib.error:
        return b""


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The name as the bytes that stand in the file."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def _require_unique(infos: Sequence[zipfile.ZipInfo]) -> None:
    names = Counter(info.filename for info in infos)
    if len(names) != len(infos):
        raise Refused(f"The archive has two entries called {short(names.most_common(1)[0][0])!r}.")


def _require_apart(entries: list[Entry]) -> None:
    """No byte belongs to two entries: a file of a few bytes cannot claim terabytes."""
    end, last = 0, ""
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.nbytes)):
        if entry.start < end:
            raise Refused(f"The entries {short(last)!r} and {short(entry.name)!r} of the archive overlap.")
        end, last = entry.start + entry.nbytes, entry.name
