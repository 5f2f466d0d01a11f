"""Uploads: streamed to a folder of this server, hashed on the way, under links that expire and work once."""

import asyncio
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from modelview.names import for_file, short
from modelview.ui.origins import browser_of, is_foreign

LIFETIME_S = 3600.0
"""How long a link waits for its files, and how long a file stays that no session uses any more."""
MOST_FILES = 2000
_GB = 10**9
_SPARE_BYTES = 10**9
_NAME = re.compile(r"[\w.\-+ ]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Allowance:
    """What may be sent, in bytes: for one file, by one session, and by all together."""

    file: int
    session: int
    total: int

    @classmethod
    def from_environment(cls) -> "Allowance":
        """MODELVIEW_UPLOAD_GB, MODELVIEW_SESSION_GB and MODELVIEW_SPOOL_GB, or 20, 50 and 200."""
        names = (("MODELVIEW_UPLOAD_GB", 20), ("MODELVIEW_SESSION_GB", 50), ("MODELVIEW_SPOOL_GB", 200))
        return cls(*(int(float(os.environ.get(name) or default) * _GB) for name, default in names))


@dataclass(frozen=True)
class Upload:
    """A file that arrived. name: as its owner calls it; `path` ends in what of it is harmless."""

    path: Path
    name: str
    sha256: str
    size_bytes: int


@dataclass
class Link:
    """Leave to send the files of one drop. browser: the only one that may, "" for any. files: by their number."""

    session: str
    browser: str
    expires: float
    used: float
    folder: Path | None = None
    count: int = 0
    files: dict[int, Upload] = field(default_factory=dict)
    coming: dict[int, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Arrived, and arriving."""
        return sum(file.size_bytes for file in self.files.values()) + sum(self.coming.values())

    @property
    def complete(self) -> bool:
        return bool(self.count) and len(self.files) == self.count


class TooMuch(Exception):
    """A file goes over what may be sent; the sentence says what."""


class Uploads:
    """All links and what came by them; shared by the pages and the route, which are one process."""

    def __init__(self, allowance: Allowance | None = None) -> None:
        self._lock = RLock()
        self._allowance = allowance
        self._folder: Path | None = None
        self._links: dict[str, Link] = {}

    @property
    def allowance(self) -> Allowance:
        """What may be sent, as the operator set it."""
        return self._allowance or Allowance.from_environment()

    def link(self, session: str, browser: str = "") -> str:
        """A token by which this session may send the files of one drop, from this browser alone."""
        token, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._sweep()
            self._links[token] = Link(session, browser, now + LIFETIME_S, now)
        return token

    def is_open(self, token: str, session: str) -> bool:
        """Whether a link of this session still waits for its files."""
        with self._lock:
            link = self._links.get(token)
            return (
                link is not None and link.session == session and not link.complete and link.expires > time.monotonic()
            )

    def arrived(self, token: str, session: str) -> tuple[Upload, ...]:
        """The files of a drop, in order, once all are there; () for any other token, or another session's."""
        with self._lock:
            link = self._links.get(token)
            if link is None or link.session != session or not link.complete:
                return ()
            link.used = time.monotonic()
            return tuple(link.files[number] for number in sorted(link.files))

    def use(self, session: str) -> None:
        """Keep the files of a session for another while: it is still there, and its recipes may use them."""
        with self._lock:
            for link in self._links.values():
                if link.session == session:
                    link.used = time.monotonic()

    def begin(self, token: str, number: int, count: int, name: str, stated: int, browser: str = "") -> Path:
        """Where file `number` of `count` is to be written. Raises PermissionError, TooMuch, ValueError."""
        with self._lock:
            link = self._links.get(token)
            if link is None or link.complete or link.expires < time.monotonic() or link.browser not in ("", browser):
                raise PermissionError
            if not 1 <= count <= MOST_FILES or not 0 <= number < count or link.count not in (0, count):
                raise ValueError(f"A drop has 1 to {MOST_FILES:,} files, each sent once.")
            if number in link.files or number in link.coming:
                raise PermissionError
            if count > 1 and (not _NAME.fullmatch(name) or name in (".", "..")):
                raise ValueError(f"A file of a set needs a plain name, not {short(name)!r}.")
            link.count = count
            link.coming[number] = 0
            if link.folder is None:
                link.folder = Path(tempfile.mkdtemp(dir=self._home()))
            path = link.folder / (name if count > 1 else for_file(name, also=" +") or "file")
            if path.exists():
                link.coming.pop(number)
                raise ValueError(f"Two files of the set are called {short(name)!r}.")
        try:
            self.grow(token, number, stated)
        except TooMuch:
            self.drop(token, number, path)
            raise
        return path

    def grow(self, token: str, number: int, nbytes: int) -> None:
        """Count what has come of a file. Raises TooMuch where it goes over what may be sent."""
        most = self.allowance
        with self._lock:
            link = self._links[token]
            link.coming[number] = nbytes
            mine = sum(each.nbytes for each in self._links.values() if each.session == link.session)
            every = sum(each.nbytes for each in self._links.values())
            free = shutil.disk_usage(self._home()).free
        for size, limit, what in (
            (nbytes, most.file, "A file may have at most {} (MODELVIEW_UPLOAD_GB)."),
            (mine, most.session, "A session may send at most {} in all (MODELVIEW_SESSION_GB)."),
            (every, most.total, "This server keeps at most {} of files (MODELVIEW_SPOOL_GB); try again later."),
        ):
            if size > limit:
                raise TooMuch(what.format(f"{limit / _GB:,.2f} GB"))
        if nbytes and free < _SPARE_BYTES:
            raise TooMuch("The disk of this server is almost full; nothing was kept.")

    def finish(self, token: str, number: int, upload: Upload) -> None:
        """File `number` of a drop is all there."""
        with self._lock:
            link = self._links[token]
            link.coming.pop(number, None)
            link.files[number] = upload
            link.used = time.monotonic()

    def drop(self, token: str, number: int, path: Path) -> None:
        """A file did not come to its end: nothing of it stays."""
        path.unlink(missing_ok=True)
        with self._lock:
            link = self._links.get(token)
            if link is not None:
                link.coming.pop(number, None)
                if not link.files and not link.coming and link.folder is not None:
                    shutil.rmtree(link.folder, ignore_errors=True)
                    link.count, link.folder = 0, None

    def close(self) -> None:
        """Delete every file."""
        with self._lock:
            self._links.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _home(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="modelview-"))
        return self._folder

    def _sweep(self) -> None:
        """Forget links that expired, and files that nobody has used for as long."""
        now = time.monotonic()
        for token, link in list(self._links.items()):
            old = now - link.used > LIFETIME_S if link.complete else link.expires < now and not link.coming
            if old:
                self._links.pop(token)
                if link.folder is not None:
                    shutil.rmtree(link.folder, ignore_errors=True)


uploads = Uploads()


async def receive(request: Request) -> Response:
    """PUT /upload/{token}?number=0&count=1, the file as the body, its name in X-Name: streamed to disk."""
    token = request.path_params["token"]
    if is_foreign(request):
        return _refused("Files are taken from this app's own pages only.", 403)
    try:
        number, count = int(request.query_params.get("number", "0")), int(request.query_params.get("count", "1"))
        stated = int(request.headers.get("content-length", "0"))
        name = unquote(request.headers.get("x-name", "file"), errors="replace")
        path = uploads.begin(token, number, count, name, stated, browser_of(request.cookies))
    except PermissionError:
        return _refused("This upload link is not valid any more; load the page again.", 403)
    except TooMuch as error:
        return _refused(str(error), 413)
    except ValueError as error:
        return _refused(str(error), 400)
    try:
        digest, size = await _written(request, path, token, number)
    except TooMuch as error:
        uploads.drop(token, number, path)
        return _refused(str(error), 413)
    except BaseException as error:
        uploads.drop(token, number, path)
        if isinstance(error, (ClientDisconnect, OSError)):
            return _refused("The upload did not come to its end; nothing was kept.", 400)
        raise
    if stated and size != stated:
        uploads.drop(token, number, path)
        return _refused(f"{size:,} of {stated:,} bytes came; nothing was kept.", 400)
    uploads.finish(token, number, Upload(path, name, digest, size))
    return JSONResponse({"sha256": digest, "size_bytes": size})


async def _written(request: Request, path: Path, token: str, number: int) -> tuple[str, int]:
    """Write the body as it comes; its SHA-256 and bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            uploads.grow(token, number, size)
            await asyncio.to_thread(_both, file.write, digest.update, chunk)
    return digest.hexdigest(), size


def _both(write: object, update: object, chunk: bytes) -> None:
    """Disk and hash, away from the loop that serves everybody."""
    assert callable(write)
    assert callable(update)
    write(chunk)
    update(chunk)


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
