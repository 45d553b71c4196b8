"""What every test lives by: no network but loopback, and nothing that blocks the event loop."""

import socket
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")

_CONNECT = socket.socket.connect


@pytest.fixture
def unguarded_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test with the mark `enable_socket` connect: the guard of the test before it may have been put back."""
    monkeypatch.setattr(socket.socket, "connect", _CONNECT)


@pytest.fixture(autouse=True)
def blockbuster(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Fail a test in which our own code blocks the event loop."""
    if request.node.get_closest_marker("enable_socket"):
        request.getfixturevalue("unguarded_connect")
    with blockbuster_ctx(scanned_modules=["config", "mirror", "proxy", "wheelkeep"]) as guard:
        yield guard
