"""The download route of a real server: who gets a file, how often, and what becomes of the file."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string

from modelview.ui import transfers as module
from modelview.ui.origins import COOKIE, browser_of
from modelview.ui.transfers import Spool, send

BODY = bytes(range(256)) * 4
MINE, THEIRS = b"0123456789abcdef", b"fedcba9876543210"


def cookie(mark: bytes) -> str:
    """As Streamlit sets it: spelt in another way each time."""
    return f"{COOKIE}={generate_xsrf_token_string(mark)}"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spool]:
    found = Spool()
    monkeypatch.setattr(module, "spool", found)
    yield found
    found.close()


@pytest.fixture
def path(store: Spool) -> Path:
    found = store.place("net.pth")
    found.write_bytes(BODY)
    return found


@pytest.fixture
def port(store: Spool) -> Iterator[int]:
    assert store is module.spool
    with served() as found:
        yield found


@contextmanager
def served() -> Iterator[int]:
    app = Starlette(routes=[Route("/transfer/{token}", send, methods=["GET", "HEAD"])])
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


def get(port: int, token: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"/transfer/{token}", headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_a_link_works_once(port: int, store: Spool, path: Path) -> None:
    token = store.offer(path, "tuned net.pth", "me")
    status, body, headers = get(port, token)
    assert (status, body) == (200, BODY)
    assert headers["content-disposition"] == "attachment; filename*=utf-8''tuned%20net.pth"
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert get(port, token)[:2] == (404, b"This link was used, or is too old; the page has another one.")
    another = store.offer(path, "tuned net.pth", "me")
    assert another != token
    assert get(port, another)[0] == 200


def test_looking_at_the_size_uses_nothing(port: int, store: Spool, path: Path) -> None:
    token = store.offer(path, "net.pth", "me")
    for _ in range(2):
        status, body, headers = get(port, token, "HEAD")
        assert (status, body, headers["content-length"]) == (200, b"", str(len(BODY)))
    assert get(port, token)[0] == 200


def test_a_download_that_broke_off_goes_on(port: int, store: Spool, path: Path) -> None:
    token = store.offer(path, "net.pth", "me")
    status, body, headers = get(port, token, Range="bytes=0-99")
    assert (status, body, headers["content-range"]) == (206, BODY[:100], f"bytes 0-99/{len(BODY)}")
    assert get(port, token, Range="bytes=100-")[:2] == (206, BODY[100:])
    assert get(port, token, Range="bytes=-5")[:2] == (206, BODY[-5:])
    assert get(port, token, Range="bytes=0-")[0] == 404
    assert get(port, token, Range="bytes=00-,5-")[0] == 404


def test_each_session_has_links_of_its_own(port: int, store: Spool, path: Path) -> None:
    mine, theirs = store.offer(path, "net.pth", "me"), store.offer(path, "net.pth", "you")
    assert mine != theirs
    assert store.offer(path, "net.pth", "me") == mine
    assert get(port, mine)[0] == 200
    assert get(port, mine)[0] == 404
    assert get(port, theirs)[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Cookie": cookie(MINE)}, 200),
        ({"Cookie": f"other=1; {cookie(MINE)}"}, 200),
        ({"Cookie": cookie(MINE), "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Cookie": cookie(THEIRS)}, 404),
        ({"Cookie": f"{COOKIE}=2|zz|00|1"}, 404),
        ({"Cookie": f"{COOKIE}=2||00|1"}, 404),
        ({"Cookie": f"{COOKIE}=nonsense"}, 404),
        ({}, 404),
        ({"Cookie": cookie(MINE), "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Cookie": cookie(MINE), "Origin": "https://evil.example"}, 403),
    ],
)
def test_a_link_is_for_the_browser_it_was_made_for(
    headers: dict[str, str], status: int, port: int, store: Spool, path: Path
) -> None:
    browser = browser_of({COOKIE: generate_xsrf_token_string(MINE)})
    assert browser == MINE.hex()
    token = store.offer(path, "net.pth", "me", browser)
    assert get(port, token, **headers)[0] == status
    assert get(port, token, Cookie=cookie(MINE))[0] == (404 if status == 200 else 200)


def test_nothing_else_can_be_asked_for(port: int, store: Spool, path: Path) -> None:
    store.offer(path, "net.pth", "me")
    for token in ("nonsense", "", "..", "%2e%2e%2fnet.pth", str(path)):
        assert get(port, token)[0] in (404, 405), token


def test_links_expire_and_files_that_nobody_wants_go(store: Spool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    other = store.place("other.pth")
    other.write_bytes(BODY)
    token, kept = store.offer(path, "net.pth", "me"), store.offer(other, "other.pth", "me")
    now[0] += module.LIFETIME_S - 1
    assert store.offer(other, "other.pth", "me") == kept
    now[0] += 2
    assert store.take(token, "") is None
    assert store.take(kept, "") is not None
    assert not path.exists()
    assert other.exists()


PAGE = """
import streamlit as st
from modelview.ui import link, transfers
path = transfers.spool.place("net.pth")
if "path" not in st.session_state:
    path.write_bytes(b"abc")
    st.session_state["path"] = path
link.draw(st.session_state["path"], "<b>net</b>.pth", key="link")
"""


def test_a_page_offers_its_session_the_next_link_once_one_was_used(store: Spool) -> None:
    at = AppTest.from_string(PAGE).run()
    assert not at.exception
    (first,) = store._grants
    at.run()
    assert [*store._grants] == [first]
    assert store.take(first, "") is not None
    at.run()
    _, second = store._grants
    assert store.take(second, "") is not None
    assert {grant.session for grant in store._grants.values()} == {at.session_state["session.token"]}
    assert re.fullmatch(r"[\w-]{43}", second)


def test_what_a_range_that_goes_on_is() -> None:
    found: dict[str, Any] = {
        text: module._GOES_ON.fullmatch(text) is not None
        for text in ("", "bytes=0-", "bytes=00-4", "bytes=1-", "bytes=010-20", "bytes=-7", "bytes=5-6,0-3", "x=1-")
    }
    assert [text for text, goes_on in found.items() if goes_on] == [
        *("bytes=1-", "bytes=010-20", "bytes=-7", "bytes=5-6,0-3")
    ]
