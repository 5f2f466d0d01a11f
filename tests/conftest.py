"""What holds for every test: no network, few threads, and on CI the same examples on every run."""

import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: more threads only get in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it when it is imported

settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--brief", action="store_true", help="of each table of a test, only the first row")
    parser.addoption("--overwrite", action="store_true", help="write tests/golden anew; read the difference")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --brief, keep of each parametrised test the first case only."""
    if not config.getoption("--brief"):
        return
    first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
    rest = [item for item in items if first[item.nodeid.partition("[")[0]] is not item]
    config.hook.pytest_deselected(items=rest)
    items[:] = [item for item in items if first[item.nodeid.partition("[")[0]] is item]


def pytest_configure(config: pytest.Config) -> None:
    """Fail whatever reaches for the network: for the whole run, so for doctests and threads as well.

    The failure is no OSError, so no code under test can take it for a download that went wrong.
    A test of such a download replaces the function that downloads.
    """
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse_unless_local(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_local(host)
        return lookup(host, *args, **kwargs)

    return guarded


def _refuse_unless_local(host: Any) -> None:
    if not is_local(host.decode() if isinstance(host, bytes) else host):
        pytest.fail(f"A test tried to reach {host!r}: tests use no network. Replace the function that downloads.")


def is_local(host: str | None) -> bool:
    """Whether `host` is this machine: a loopback address, localhost, or none (a server's own side)."""
    if not host or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
