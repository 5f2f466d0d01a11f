"""What a file is, by what is in it."""

import codecs
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from modelview.checkpoints.formats._archive import looks_like
from modelview.checkpoints.formats.base import FORMATS, HEAD_BYTES, Format, Start
from modelview.checkpoints.records import Refused
from modelview.names import short

_MAGIC = (
    (b"version https://git-lfs", "a git-lfs pointer: the file itself was not fetched (git lfs pull)"),
    (b"<!DOCTYPE", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<HTML", "a web page"),
    (b"<?xml", "an XML document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"BM", "a picture (BMP)"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ", "compressed by xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x89HDF", "an HDF5 file, as Keras writes"),
    (b"GGUF", "a GGUF file, of llama.cpp"),
    (b"ggml", "a GGML file, of llama.cpp"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
)


def start_of(paths: Sequence[Path]) -> Start:
    """What the formats are asked with. Raises Refused for what is no file, or empty."""
    if len(paths) > 1:
        for path in paths:
            _require_file(path)
        return Start(tuple(paths))
    (path,) = paths
    if path.is_dir():
        inside = tuple(sorted(inner for inner in path.iterdir() if inner.is_file()))
        if not inside:
            raise Refused(f"The folder {short(path.name)!r} is empty.")
        start = Start(inside)
        alone = len(inside) == 1 and not any(FORMATS[name].fits(start) for name in FORMATS)
        return start_of(inside) if alone else start
    _require_file(path)
    with path.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    return Start((path,), head, _directory(path, head))


def format_of(start: Start) -> type[Format]:
    """The format of the file or files. Raises Refused saying what it looks like instead."""
    for form in sorted((FORMATS[name] for name in FORMATS), key=lambda form: -form.rank):
        if form.fits(start):
            return form
    raise Refused(_stranger(start))


def _require_file(path: Path) -> None:
    try:
        about = path.stat()
    except OSError as error:
        raise Refused(f"There is no file {short(str(path))!r}.") from error
    if not stat.S_ISREG(about.st_mode):
        raise Refused(f"{short(path.name)!r} is not an ordinary file.")
    if not about.st_size:
        raise Refused(f"{short(path.name)!r} is empty: it has no bytes.")
    if not os.access(path, os.R_OK):
        raise Refused(f"{short(path.name)!r} may not be read by this user.")


def _directory(path: Path, head: bytes) -> tuple[zipfile.ZipInfo, ...]:
    if not head.startswith(b"PK\3\4"):
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return ()


def _stranger(start: Start) -> str:
    if len(start.paths) > 1:
        names = ", ".join(short(path.name, 40) for path in start.paths[:4])
        return f"These files are no set that belongs together ({names}{', …' if len(start.paths) > 4 else ''})."
    name, head = short(start.paths[0].name), start.head
    if head.startswith(b"PK\3\4"):
        if start.names:
            return f"{name!r} is no checkpoint: it looks like {looks_like(start.names)}."
        return f"{name!r} begins as a zip archive, but its directory is missing: the file is truncated or damaged."
    for magic, what in _MAGIC:
        if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(magic):
            return f"{name!r} is no checkpoint: it looks like {what}."
    if head[4:8] == b"TFL3":
        return f"{name!r} is no checkpoint of PyTorch: it looks like a TensorFlow Lite model."
    if head[8:12] == b"WEBP":
        return f"{name!r} is no checkpoint: it looks like a picture (WebP)."
    if _is_text(head) and head.lstrip()[:1] in (b"{", b"["):
        return f"{name!r} is no checkpoint: it looks like a JSON document."
    if _is_text(head):
        return f"{name!r} is no checkpoint: it looks like text."
    return f"{name!r} is no checkpoint that modelview knows: its first bytes are {head[:8].hex(' ')}."


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut."""
    text = head.decode("utf-8", "ignore")
    whole = len(head) - len(text.encode()) < 4
    return bool(text) and whole and all(c.isprintable() or c in "\t\r\n" for c in text)
