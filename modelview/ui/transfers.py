"""Downloads: files written once to a folder of this server, and links to them that expire."""

import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

LIFETIME_S = 3600.0
"""How long a link works."""
MOST_FILES = 8
"""How many prepared files are kept on disk; the oldest goes first."""


@dataclass(frozen=True)
class Grant:
    """Leave to download one file, until `expires` on the monotonic clock."""

    path: Path
    name: str
    expires: float


class Spool:
    """The prepared files and the links to them; shared by the pages and the routes, which are one process."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._folder: Path | None = None
        self._grants: OrderedDict[str, Grant] = OrderedDict()

    def place(self, name: str) -> Path:
        """A new path to write a file called `name` to."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="modelview-"))
            return Path(tempfile.mkdtemp(dir=self._folder)) / name

    def offer(self, path: Path, name: str) -> str:
        """A token that downloads `path` as `name`; it expires, and the oldest file makes room for the newest."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._grants[token] = Grant(path, name, time.monotonic() + LIFETIME_S)
            self._sweep()
        return token

    def find(self, token: str) -> Grant | None:
        """The grant of a token that is still good."""
        with self._lock:
            self._sweep()
            return self._grants.get(token)

    def _sweep(self) -> None:
        now = time.monotonic()
        old = [token for token, grant in self._grants.items() if grant.expires < now or not grant.path.exists()]
        old += list(self._grants)[: max(len(self._grants) - len(old) - MOST_FILES, 0)]
        for token in dict.fromkeys(old):
            shutil.rmtree(self._grants.pop(token).path.parent, ignore_errors=True)

    def close(self) -> None:
        """Delete every file."""
        with self._lock:
            self._grants.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


spool = Spool()


async def send(request: Request) -> Response:
    """GET /transfer/{token}: the file, in pieces from disk, with Range."""
    grant = spool.find(request.path_params["token"])
    if grant is None:
        return PlainTextResponse("This link is not valid any more; prepare the file again.", status_code=404)
    return FileResponse(grant.path, filename=grant.name, media_type="application/octet-stream")


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """While the server runs; the prepared files go with it."""
    try:
        yield
    finally:
        spool.close()
