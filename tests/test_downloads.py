"""Fetching a file: once, checked, whole or not at all, and a sentence that helps when it fails."""

import hashlib
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from modelview import downloads
from modelview.errors import DownloadError

CONTENT = random.Random(0).randbytes(3 * downloads.CHUNK_BYTES // 2)
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]
GOOD = f"/models/net-{DIGEST}.pth"


class Server(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - one server a test run

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        if "unsized" not in self.path:
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if "short" in self.path else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.delenv(downloads.MIRROR, raising=False)
    Server.asked.clear()
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize("path", [GOOD, "/models/plain.pth", f"/unsized/net-{DIGEST}.pth"])
def test_fetches_once_and_tells_how_far(server: str, cache: Path, path: str) -> None:
    seen: list[tuple[int, int]] = []
    file = downloads.fetch(server + path, lambda done, total: seen.append((done, total)))
    assert file == cache / Path(path).name
    assert file.read_bytes() == CONTENT
    assert len(seen) >= 2
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), 0 if "unsized" in path else len(CONTENT))
    assert downloads.fetch(server + path) == file
    assert Server.asked == [path]
    assert [p.name for p in cache.iterdir()] == [file.name]


def test_a_file_in_the_cache_needs_no_network(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "net-00000000.pth").write_bytes(b"by hand")
    assert downloads.fetch("http://127.0.0.1:9/net-00000000.pth").read_bytes() == b"by hand"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/models/missing-00000000.pth", "the server answered 404 Not Found"),
        (f"/short/net-{DIGEST}.pth", f"the connection ended after 1,000 of {len(CONTENT):,} bytes"),
        ("/models/net-0123abcd.pth", f"its SHA-256 begins with {DIGEST} instead of 0123abcd"),
    ],
)
def test_says_what_went_wrong_and_leaves_nothing(server: str, cache: Path, path: str, reason: str) -> None:
    with pytest.raises(DownloadError) as caught:
        downloads.fetch(server + path)
    assert str(caught.value) == (
        f"{Path(path).name} could not be fetched from {server}{path}: {reason}. "
        f"Put the file into {cache} by hand, or go on with random weights (weights=None)."
    )
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/net.pth", "Connection refused"),
        ("nonsense://127.0.0.1/net.pth", "unknown url type: nonsense"),
        ("net.pth", "unknown url type"),
    ],
)
def test_no_server_at_all(url: str, reason: str) -> None:
    with pytest.raises(DownloadError, match=re.escape(reason)):
        downloads.fetch(url)


def test_a_cache_that_cannot_be_written(tmp_path: Path, server: str) -> None:
    (tmp_path / "hub").write_text("in the way")
    with pytest.raises(DownloadError, match="Not a directory"):
        downloads.fetch(server + GOOD)


def test_a_mirror_takes_the_place_of_the_origin_only(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(downloads.MIRROR, f"{server}/copy/")
    downloads.fetch(f"{downloads.ORIGIN}/quantized/net-{DIGEST}.pth")
    downloads.fetch(f"{server}/other/elsewhere-{DIGEST}.pth")
    assert Server.asked == [f"/copy/quantized/net-{DIGEST}.pth", f"/other/elsewhere-{DIGEST}.pth"]


def test_stopping_it_leaves_nothing(server: str, cache: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.fetch(server + GOOD, stop)
    assert list(cache.iterdir()) == []


def test_two_at_the_same_time_download_once(server: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(downloads.fetch, [server + GOOD] * 2))
    assert files[0] == files[1]
    assert Server.asked == [GOOD]
