"""`python -m tests.bench.transfers`: what a server's memory does while 2 GB come and go by the app's own routes.

The server is the app in a process of its own; the file lies in its spool, on disk, and goes with it. RSS also counts
pages of files that are mapped; anonymous memory is what only this process needs.
"""

import argparse
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000
CHUNK = os.urandom(1 << 20)
LIMIT_MB = 100
_SERVER = """
import sys, threading
import uvicorn
from modelview.ui import transfers, uploads
from app import app

def talk():
    token = uploads.uploads.link("bench")
    print("token", token, flush=True)
    sys.stdin.readline()
    (arrived,) = uploads.uploads.arrived(token, "bench")
    print("token", transfers.spool.offer(arrived.path, arrived.name, "bench"), flush=True)

threading.Thread(target=talk, daemon=True).start()
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


@dataclass(frozen=True)
class Memory:
    """Of a process, in MB."""

    rss: float
    anonymous: float


@dataclass(frozen=True)
class Measured:
    """One transfer."""

    before: Memory
    peak: Memory
    after: Memory
    seconds: float
    size_bytes: int

    @property
    def growth(self) -> Memory:
        """At most, above what it was before."""
        return Memory(self.peak.rss - self.before.rss, self.peak.anonymous - self.before.anonymous)

    def __str__(self) -> str:
        rows = ((name, getattr(self, name)) for name in ("before", "peak", "after", "growth"))
        figures = "; ".join(
            f"{name} {memory.rss:.0f} MB RSS, {memory.anonymous:.0f} anonymous" for name, memory in rows
        )
        return f"{figures}; {self.size_bytes / MB / self.seconds:,.0f} MB/s"


class Watch:
    """The memory of a process, looked at a hundred times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._done = pid, threading.Event()
        self.before = self.peak = memory(pid)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.01):
            now = memory(self._pid)
            self.peak = Memory(max(self.peak.rss, now.rss), max(self.peak.anonymous, now.anonymous))

    def measured(self, size_bytes: int) -> Measured:
        """What was seen, and how it is now."""
        return Measured(self.before, self.peak, memory(self._pid), self.seconds, size_bytes)


def memory(pid: int) -> Memory:
    """What the system says of a process now."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss, anonymous = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) * 1024 / MB for name in ("VmRSS", "RssAnon"))
    return Memory(rss, anonymous)


@contextmanager
def server(port: int) -> Iterator[subprocess.Popen[str]]:
    """The app's routes in a process of their own, answering on `port`."""
    command = [sys.executable, "-c", _SERVER, str(port)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def upload(port: int, token: str, size_bytes: int) -> None:
    """PUT so many bytes."""

    def body() -> Iterator[bytes]:
        for start in range(0, size_bytes, len(CHUNK)):
            yield CHUNK[: size_bytes - start]

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Content-Length": str(size_bytes), "X-Name": "large.pth"}
    connection.request("PUT", f"/upload/{token}", body(), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    connection.close()


def download(port: int, token: str) -> int:
    """GET it all; how many bytes came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/transfer/{token}")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    buffer, size = bytearray(1 << 20), 0
    while count := answer.readinto(buffer):
        size += count
    connection.close()
    return size


def measure(size_bytes: int) -> dict[str, Measured]:
    """An upload, and the download of the same file."""
    port = 8765
    with server(port) as process:
        assert process.stdin is not None
        _wait(port)
        token = _token(process)
        with Watch(process.pid) as watch:
            upload(port, token, size_bytes)
        found = {"upload": watch.measured(size_bytes)}
        process.stdin.write("\n")
        process.stdin.flush()
        token = _token(process)
        with Watch(process.pid) as watch:
            size = download(port, token)
        assert size == size_bytes
        found["download"] = watch.measured(size_bytes)
    return found


def _token(process: subprocess.Popen[str]) -> str:
    """The next one that the server says, between the lines of its log."""
    assert process.stdout is not None
    return next(line.split()[1] for line in process.stdout if line.startswith("token "))


def _wait(port: int) -> None:
    """Until it answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/transfer/none")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("The server did not start.")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gb", type=float, default=2.0)
    chosen = parser.parse_args()
    for name, found in measure(int(chosen.gb * 1e9)).items():
        print(f"{name} of {chosen.gb} GB: {found}")
        assert found.growth.rss < LIMIT_MB, f"{name}: more than {LIMIT_MB} MB"
        assert found.growth.anonymous < LIMIT_MB, f"{name}: more than {LIMIT_MB} MB"


if __name__ == "__main__":
    main()
