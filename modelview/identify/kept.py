"""Where the index of timm's models lies: a file of the user's, made on demand for the timm that is installed."""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

COMMAND = "python -m modelview.identify.making --timm"
_BEFORE, _AFTER = "timm-", ".json.gz"


@dataclass(frozen=True)
class State:
    """What there is of timm: its version where it is installed, the index for it, and for which others there is one.

    stamp: time of change and bytes of the file at `path`; None where there is none.
    """

    installed: str | None
    path: Path
    stamp: tuple[int, int] | None = None
    others: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """The sentence for an index that is not there; "" where it is, or timm is not."""
        if self.installed is None or self.stamp is not None:
            return ""
        if self.others:
            return stale(self.others[-1], self.installed)
        return f"timm is installed; {COMMAND} makes the index, in some minutes, by which its models are recognised too."


def stale(was: str, installed: str) -> str:
    """The sentence for an index that was made with another timm."""
    return f"The index of timm's models is of timm {was}, and {installed} is installed: {COMMAND} makes it anew."


def damaged(path: Path) -> str:
    """The sentence for an index that cannot be read."""
    return f"The index of timm's models in {path} cannot be read and was left out: {COMMAND} makes it anew."


def state() -> State:
    """What there is now; costs a look into a folder."""
    installed = timm_version()
    path = folder() / f"{_BEFORE}{installed}{_AFTER}"
    if installed is None:
        return State(None, path)
    try:
        found = path.stat()
    except OSError:
        return State(installed, path, None, tuple(sorted(map(_version, folder().glob(f"{_BEFORE}*{_AFTER}")))))
    return State(installed, path, (found.st_mtime_ns, found.st_size))


def _version(path: Path) -> str:
    return path.name.removeprefix(_BEFORE).removesuffix(_AFTER)


def timm_version() -> str | None:
    """Of the timm that is installed, which is not imported; None where there is none."""
    try:
        return version("timm")
    except PackageNotFoundError:
        return None


def folder() -> Path:
    """What modelview has of the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "modelview"


def write(path: Path, data: bytes) -> None:
    """Write beside and rename, so that nobody ever finds half an index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
