import socket
import urllib.request
from threading import Thread

import pytest
from _pytest.outcomes import Failed

from tests.conftest import is_local


def test_a_connection_to_the_outside_fails_the_test() -> None:
    with socket.socket() as connection, pytest.raises(Failed, match=r"tried to reach '192\.0\.2\.1'"):
        connection.connect(("192.0.2.1", 80))


def test_a_download_fails_the_test_and_is_no_oserror() -> None:
    with pytest.raises(Failed, match=r"tried to reach 'download\.example'"):
        urllib.request.urlopen("http://download.example/weights.pth", timeout=1)


def test_this_machine_may_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=lambda: server.accept()[0].close())
        thread.start()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
        thread.join()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        (None, True),
        ("10.0.0.1", False),
        ("8.8.8.8", False),
        ("localhost.example", False),
    ],
)
def test_which_hosts_are_local(host: str | None, local: bool) -> None:
    assert is_local(host) is local
