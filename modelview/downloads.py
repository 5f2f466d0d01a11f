"""Files fetched once, checked, and kept where torch keeps them."""

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import torch

from modelview.errors import DownloadError

ORIGIN = "https://download.pytorch.org/models"
"""Where torchvision's weights lie; the environment variable below names a copy of it on a closed network."""

MIRROR = "MODELVIEW_WEIGHTS_MIRROR"
CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30

_one_at_a_time = Lock()


def file_name(url: str) -> str:
    """The name under which the file at `url` is kept.

    >>> file_name("https://download.pytorch.org/models/resnet18-f37072fd.pth?x=1")
    'resnet18-f37072fd.pth'
    """
    return PurePosixPath(urlsplit(url).path).name


def folder() -> Path:
    """Where fetched files are kept: the cache that torch.hub and torchvision use."""
    return Path(torch.hub.get_dir(), "checkpoints")


def fetch(url: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """The file at `url` on this machine, downloaded unless it is there already.

    progress: called with (bytes done, bytes in all); all is 0 where the server does not say.
    With MODELVIEW_WEIGHTS_MIRROR set, that address takes the place of https://download.pytorch.org/models.
    A name such as resnet18-f37072fd.pth carries the first digits of the file's SHA-256, which are checked.
    Raises DownloadError saying which file, from where, and where to put it by hand; nothing half done is left.
    """
    target = folder() / file_name(url)
    with _one_at_a_time:
        if not target.exists():
            address = _address(url)
            try:
                _download(address, target, progress)
            except (OSError, HTTPException, ValueError) as error:
                if isinstance(error, HTTPError):
                    error.close()  # it holds the connection
                raise DownloadError(_sentence(target, address, _reason(error))) from error
    return target


def _address(url: str) -> str:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    return mirror + url.removeprefix(ORIGIN) if mirror and url.startswith(ORIGIN) else url


def _download(address: str, target: Path, progress: Callable[[int, int], None] | None) -> None:
    """Write beside and rename, so that nobody ever finds half a file under the right name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{uuid4().hex[:8]}.part")
    try:
        with (
            urlopen(Request(address, headers={"User-Agent": "modelview"}), timeout=TIMEOUT_S) as answer,
            part.open("wb") as file,
        ):
            total = int(answer.headers.get("Content-Length") or 0)
            done, digest = _copy(answer, file, total, progress)
        if total and done != total:
            raise ValueError(f"the connection ended after {done:,} of {total:,} bytes")
        expected = _expected_digest(target.name)
        if not digest.startswith(expected):
            raise ValueError(f"its SHA-256 begins with {digest[: len(expected)]} instead of {expected}")
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _copy(
    answer: IO[bytes], file: IO[bytes], total: int, progress: Callable[[int, int], None] | None
) -> tuple[int, str]:
    sha256, done = hashlib.sha256(), 0
    while chunk := answer.read(CHUNK_BYTES):
        file.write(chunk)
        sha256.update(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    return done, sha256.hexdigest()


def _expected_digest(name: str) -> str:
    """What torch.hub reads from a name: the digits between the last dash and the dot; "" matches all."""
    found = re.search(r"-([a-f0-9]+)\.", name)
    return found.group(1) if found else ""


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, URLError):
        cause = error.reason
        return (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(cause)
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _sentence(target: Path, address: str, reason: str) -> str:
    return (
        f"{target.name} could not be fetched from {address}: {reason}. "
        f"Put the file into {target.parent} by hand, or go on with random weights (weights=None)."
    )
