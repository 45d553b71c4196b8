"""The tests themselves: they stay on this machine."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


def test_no_test_reaches_the_network() -> None:
    """A connection to any address but loopback is refused before a packet leaves."""
    with (
        socket.socket() as connection,
        pytest.warns(UserWarning, match="allowed"),
        pytest.raises(SocketConnectBlockedError),
    ):
        connection.connect(("203.0.113.1", 9))
