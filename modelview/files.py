"""Files that a recipe may use: known by what is in them, found only where somebody gave them."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from modelview.errors import EditError
from modelview.fields import FileRef
from modelview.names import short

CHUNK_BYTES = 1 << 22

State = tuple[tuple[str, int, int, int], ...]
"""What tells that files have not changed since: path, bytes, time of change and inode of each."""

_given: dict[str, tuple[tuple[Path, ...], State]] = {}
_digests: dict[tuple[str, int, int, int], str] = {}
_lock = Lock()


def give(
    paths: str | Path | Iterable[str | Path],
    *,
    name: str = "",
    sha256: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> FileRef:
    """Allow recipes to use a file, or the files of one set, and say how a recipe refers to it.

    paths: a file, a folder (all files in it), or several files chosen together. name: what people call it;
    the file's own name where empty. sha256: where it is known already, so that nothing is read. progress: called
    with (bytes done, bytes in all). Raises EditError for what is not there.
    """
    files = _files(paths)
    if not sha256:
        digests = _digests_of(files, progress)
        lines = "".join(sorted(f"{digest}  {file.name}\n" for file, digest in zip(files, digests, strict=True)))
        sha256 = digests[0] if len(files) == 1 else hashlib.sha256(lines.encode()).hexdigest()
    chosen = (Path(paths),) if isinstance(paths, (str, Path)) else files
    ref = FileRef(sha256, name or chosen[0].name)
    with _lock:
        _given[sha256] = chosen, _state(files)
    return ref


def find(ref: FileRef) -> tuple[Path, ...]:
    """Where the file of a recipe lies: one path, or the files of a set. Raises EditError where nobody gave it."""
    with _lock:
        paths, state = _given.get(ref.sha256, ((), ()))
    if not paths or not all(path.exists() for path in paths):
        raise EditError(
            f"This recipe uses the file {short(ref.name)!r} (SHA-256 {ref.sha256[:12]}…), which is not at hand: "
            "give the file first (--file on the command line, the drop zone on the Open page)."
        )
    if _state(_files(paths)) != state:
        raise EditError(f"The file {short(ref.name)!r} has changed since it was given; give it again.")
    return paths


def state(ref: FileRef) -> State:
    """The state of the files of a recipe now; what was read in another one is not what they hold. Raises as `find`."""
    return _state(_files(find(ref)))


def exists(path: Path) -> bool:
    """Whether there is a file or folder; of a name that is too long for any, there is none."""
    try:
        return path.exists()
    except OSError:
        return False


def _files(paths: str | Path | Iterable[str | Path]) -> tuple[Path, ...]:
    several = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if not several:
        raise EditError("Name a file.")
    found: list[Path] = []
    for path in several:
        if not exists(path):
            raise EditError(f"There is no file {short(str(path))!r}.")
        found += sorted(inner for inner in path.iterdir() if inner.is_file()) if path.is_dir() else [path]
    if not found:
        raise EditError(f"The folder {short(str(several[0]))!r} is empty.")
    return tuple(found)


def _state(files: Iterable[Path]) -> State:
    found = ((str(file.resolve()), file.stat()) for file in files)
    return tuple((path, about.st_size, about.st_mtime_ns, about.st_ino) for path, about in found)


def _digests_of(files: tuple[Path, ...], progress: Callable[[int, int], None] | None) -> list[str]:
    total, done, found = sum(file.stat().st_size for file in files), 0, []
    for file, key in zip(files, _state(files), strict=True):
        if key not in _digests:
            digest = hashlib.sha256()
            with file.open("rb") as opened:
                while chunk := opened.read(CHUNK_BYTES):
                    digest.update(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, total)
            _digests[key] = digest.hexdigest()
        found.append(_digests[key])
    return found
