"""The upload route of a real server: what arrives, what is refused, and that nothing stays behind."""

import hashlib
import http.client
import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string

import modelview as mv
from modelview.errors import CheckpointError
from modelview.ui import uploads as module
from modelview.ui.origins import COOKIE
from modelview.ui.uploads import Allowance, Uploads, receive

MB = 1_000_000


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    found = Uploads(Allowance(file=5 * MB, session=8 * MB, total=12 * MB))
    monkeypatch.setattr(module, "uploads", found)
    yield found
    found.close()


@pytest.fixture
def port(store: Uploads) -> Iterator[int]:
    assert store is module.uploads
    with served() as found:
        yield found


@contextmanager
def served() -> Iterator[int]:
    app = Starlette(routes=[Route("/upload/{token}", receive, methods=["PUT"])])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()


def put(port: int, token: str, body: bytes, query: str = "", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("PUT", f"/upload/{token}{query}", body, named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def left(store: Uploads) -> list[str]:
    """Names of all files below the store's folder."""
    return sorted(name for _, _, names in os.walk(store._folder or "/nowhere") for name in names)


def test_a_file_arrives_with_its_digest(port: int, store: Uploads) -> None:
    body = os.urandom(3 * MB)
    token = store.link("me")
    assert put(port, token, body, X_Name="tuned%20net.pth")[0] == 200
    (upload,) = store.arrived(token, "me")
    assert (upload.name, upload.size_bytes) == ("tuned net.pth", 3 * MB)
    assert upload.sha256 == hashlib.sha256(body).hexdigest()
    assert upload.path.read_bytes() == body


def test_the_files_of_a_set_keep_their_names(port: int, store: Uploads) -> None:
    token = store.link("me")
    assert put(port, token, b"a", "?number=0&count=2", X_Name="m-00001-of-00002.bin")[0] == 200
    assert store.arrived(token, "me") == ()
    assert put(port, token, b"b", "?number=1&count=2", X_Name="m-00002-of-00002.bin")[0] == 200
    assert [upload.path.name for upload in store.arrived(token, "me")] == [
        "m-00001-of-00002.bin",
        "m-00002-of-00002.bin",
    ]


def test_a_name_is_never_a_path(port: int, store: Uploads) -> None:
    token = store.link("me")
    assert put(port, token, b"a", X_Name="..%2F..%2Fetc%2Fpasswd")[0] == 200
    (upload,) = store.arrived(token, "me")
    assert upload.name == "../../etc/passwd"
    assert upload.path.name == "_.._etc_passwd"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("tuned net.pth", "tuned net.pth"),
        ("модель-模型.pth", "модель-模型.pth"),
        ("<b>x</b>'\"\n\0\u202e.pth", "_b_x__b______.pth"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("模" * 80 + ".pth", "模" * 27 + "…" + "模" * 23 + ".pth"),
    ],
)
def test_a_file_is_stored_as_it_is_called_and_no_more(name: str, stored: str, port: int, store: Uploads) -> None:
    token = store.link("me")
    assert put(port, token, b"a", X_Name=quote(name, safe=""))[0] == 200
    (upload,) = store.arrived(token, "me")
    assert (upload.name, upload.path.name) == (name, stored)


def test_what_is_said_of_a_file_calls_it_as_its_owner_does(port: int, store: Uploads) -> None:
    token = store.link("me")
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(99.0)}, buffer)
    body = buffer.getvalue().replace(torch.tensor(42.0).numpy().tobytes(), torch.tensor(41.0).numpy().tobytes())
    assert put(port, token, body, X_Name="tuned%20net.pth")[0] == 200
    (upload,) = store.arrived(token, "me")
    with pytest.raises(
        CheckpointError, match=r"^'tuned net\.pth' is damaged: the values of 'w' do not have the CRC-32"
    ):
        mv.read(upload.path).tensor("w")


def test_a_link_works_once_and_for_its_session(port: int, store: Uploads) -> None:
    token = store.link("me")
    assert put(port, token, b"a")[0] == 200
    assert put(port, token, b"b") == (403, '{"error":"This upload link is not valid any more; load the page again."}')
    assert store.arrived(token, "you") == ()
    assert len(store.arrived(token, "me")) == 1
    assert not store.is_open(token, "me")


def test_a_link_is_for_the_browser_it_was_made_for(port: int, store: Uploads) -> None:
    mine, theirs = (
        f"{COOKIE}={generate_xsrf_token_string(mark)}" for mark in (b"0123456789abcdef", b"fedcba9876543210")
    )
    token = store.link("me", b"0123456789abcdef".hex())
    for headers in ({}, {"Cookie": theirs}):
        assert put(port, token, b"a", **headers)[0] == 403
    assert left(store) == []
    assert put(port, token, b"a", Cookie=mine)[0] == 200


def refusals() -> list[Any]:
    return [
        pytest.param("nonsense", b"a", "", {}, 403, "not valid any more", id="no link"),
        pytest.param("", b"a", "", {"Origin": "https://evil.example"}, 403, "own pages only", id="another site"),
        pytest.param("", b"a", "", {"Sec_Fetch_Site": "cross-site"}, 403, "own pages only", id="cross-site"),
        pytest.param(
            "", bytes(6 * MB), "", {}, 413, "A file may have at most 0.01 GB (MODELVIEW_UPLOAD_GB).", id="large"
        ),
        pytest.param("", b"a", "?number=5&count=2", {}, 400, "A drop has 1 to 2,000 files", id="number"),
        pytest.param("", b"a", "?number=x", {}, 400, "invalid literal", id="no number"),
        pytest.param(
            "", b"a", "?number=0&count=2", {"X_Name": "..%2Fx"}, 400, "needs a plain name, not '../x'", id="climbs"
        ),
        pytest.param("", b"a", "?number=0&count=2", {"X_Name": ".."}, 400, "needs a plain name", id="dots"),
    ]


@pytest.mark.parametrize(("token", "body", "query", "headers", "status", "message"), refusals())
def test_refusals_leave_nothing(
    token: str, body: bytes, query: str, headers: dict[str, str], status: int, message: str, port: int, store: Uploads
) -> None:
    got, said = put(port, token or store.link("me"), body, query, **headers)
    assert (got, message in said) == (status, True), said
    assert left(store) == []


def test_a_lie_about_the_length_is_stopped_on_the_way(port: int, store: Uploads) -> None:
    """Chunked, so without any length; over the limit after five of nine megabytes."""
    token = store.link("me")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("PUT", f"/upload/{token}", (bytes(MB) for _ in range(9)), encode_chunked=True)
        answer = connection.getresponse()
        status = answer.status
        answer.close()
    except (BrokenPipeError, ConnectionResetError):
        status = 413
    finally:
        connection.close()
    assert status == 413
    assert left(store) == []


def test_sessions_and_the_server_have_their_shares(port: int, store: Uploads) -> None:
    for session, status, message in (
        ("me", 200, ""),
        ("me", 413, "SESSION_GB"),
        ("you", 200, ""),
        ("they", 413, "SPOOL_GB"),
    ):
        got, said = put(port, store.link(session), bytes(4_900_000))
        assert (got, message in said) == (status, True), said


def test_an_upload_that_breaks_off_leaves_nothing_and_can_be_tried_again(port: int, store: Uploads) -> None:
    token = store.link("me")
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(
            f"PUT /upload/{token} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 4000000\r\n\r\n".encode()
        )
        raw.sendall(bytes(2 * MB))
        for _ in range(200):
            if left(store):
                break
            time.sleep(0.02)
        assert left(store) == ["file"]
    for _ in range(200):
        if not left(store):
            break
        time.sleep(0.02)
    assert left(store) == []
    assert store._folder is not None
    assert [*store._folder.iterdir()] == []
    assert put(port, token, b"again")[0] == 200


def test_what_nobody_uses_goes_and_what_is_used_stays(store: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    kept, gone = store.link("me"), store.link("you")
    for token in (kept, gone):
        path = store.begin(token, 0, 1, "a", 0)
        path.write_text(token)
        store.finish(token, 0, module.Upload(path, "a", token, 1))
    now[0] += module.LIFETIME_S - 1
    store.use("me")
    now[0] += 2
    store.link("they")
    assert left(store) == ["a"]
    assert store.arrived(kept, "me")
    assert not store.arrived(gone, "you")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELVIEW_UPLOAD_GB", "0.5")
    assert Allowance.from_environment() == Allowance(500 * MB, 50_000 * MB, 200_000 * MB)
    assert Path(os.devnull).exists()
