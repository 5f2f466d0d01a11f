"""Downloads: files written once to a folder of this server, and links to them that expire and work once."""

import re
import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from modelview.ui.origins import browser_of, is_foreign
from modelview.ui.uploads import uploads

LIFETIME_S = 3600.0
"""How long a link works, and how long a download that broke off can go on."""
MOST_FILES = 8
"""How many prepared files are kept on disk; the oldest goes first."""
MOST_LINKS = 512
_GOES_ON = re.compile(r"bytes=(0*[1-9]\d*-\d*|-\d+)(,.*)?", re.ASCII)
"""A Range that does not begin with the first byte: a browser goes on with what broke off."""


@dataclass
class Grant:
    """Leave for one session to download one file once, until `expires` on the monotonic clock.

    browser: the only one that may, "" for any. is_used: a download has begun by it, and can only go on.
    """

    path: Path
    name: str
    session: str
    browser: str
    is_used: bool = False
    expires: float = field(default=0.0, compare=False)


class Spool:
    """The prepared files and the links to them; shared by the pages and the routes, which are one process."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._folder: Path | None = None
        self._files: OrderedDict[Path, float] = OrderedDict()
        """When each was offered last."""
        self._grants: OrderedDict[str, Grant] = OrderedDict()

    def place(self, name: str) -> Path:
        """A new path to write a file called `name` to."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="modelview-"))
            return Path(tempfile.mkdtemp(dir=self._folder)) / name

    def offer(self, path: Path, name: str, session: str = "", browser: str = "") -> str:
        """A token by which a session downloads `path` as `name`: the one it has, until that was used or expires.

        The oldest file makes room for the newest.
        """
        with self._lock:
            now = time.monotonic()
            self._files[path] = now
            self._files.move_to_end(path)
            self._sweep()
            wanted = Grant(path, name, session, browser)
            token = next((token for token, grant in self._grants.items() if grant == wanted), secrets.token_urlsafe(32))
            wanted.expires = now + LIFETIME_S
            self._grants[token] = wanted
        return token

    def find(self, token: str) -> Grant | None:
        """The grant of a token that has not expired, used or not."""
        with self._lock:
            self._sweep()
            return self._grants.get(token)

    def take(self, token: str, browser: str, *, goes_on: bool = False, looks: bool = False) -> Grant | None:
        """The grant of a token, which is used by that.

        browser: that asks. goes_on: with a download that broke off. looks: at the size, and nothing else. None for
        another browser, and where the token was used already or expired.
        """
        with self._lock:
            grant = self.find(token)
            if grant is None or grant.browser not in ("", browser) or (grant.is_used and not goes_on):
                return None
            if not looks:
                grant.is_used = True
                grant.expires = time.monotonic() + LIFETIME_S
            return grant

    def _sweep(self) -> None:
        """Forget links that expired or whose file is gone; files that nobody was offered for as long, or too many."""
        now = time.monotonic()
        while self._files and (len(self._files) > MOST_FILES or next(iter(self._files.values())) < now - LIFETIME_S):
            shutil.rmtree(self._files.popitem(last=False)[0].parent, ignore_errors=True)
        old = [token for token, grant in self._grants.items() if grant.expires < now or not grant.path.exists()]
        old += list(self._grants)[: max(len(self._grants) - len(old) - MOST_LINKS, 0)]
        for token in dict.fromkeys(old):
            self._grants.pop(token)

    def close(self) -> None:
        """Delete every file."""
        with self._lock:
            self._grants.clear()
            self._files.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


spool = Spool()


async def send(request: Request) -> Response:
    """GET /transfer/{token}: the file, in pieces from disk, with Range."""
    if is_foreign(request):
        return PlainTextResponse("Files are given to this app's own pages only.", status_code=403)
    goes_on = _GOES_ON.fullmatch(request.headers.get("range", "")) is not None
    looks = request.method == "HEAD"
    grant = spool.take(request.path_params["token"], browser_of(request.cookies), goes_on=goes_on, looks=looks)
    if grant is None:
        return PlainTextResponse("This link was used, or is too old; the page has another one.", status_code=404)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
    return FileResponse(grant.path, filename=grant.name, media_type="application/octet-stream", headers=headers)


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """While the server runs; the prepared files go with it."""
    try:
        yield
    finally:
        spool.close()
        uploads.close()
