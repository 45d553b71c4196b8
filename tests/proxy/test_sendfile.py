"""Bytes in memory that the kernel sends: they go when nobody needs them, and none is lost where there is no room."""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mirror.errors import StoreError
from proxy.sendfile import MemoryFile, fits_at_once, in_small_portions, send_at_once, send_some

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
DATA = bytes(range(256)) * 40_000
"""More than the kernel takes on any connection."""


@pytest.fixture
async def pair() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """Give the writing end of a connection, and the other end, which nobody reads and which takes little."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    theirs.setblocking(False)  # noqa: FBT003  (the signature of the standard library)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    yield transport, theirs
    transport.abort()
    theirs.close()


def is_open(descriptor: int) -> bool:
    """Tell whether a descriptor of this process stands for something."""
    return Path(f"/proc/self/fd/{descriptor}").exists()


@pytest.mark.parametrize("has_memfd", [True, False])
def test_bytes_are_held_for_as_long_as_somebody_needs_them(
    monkeypatch: pytest.MonkeyPatch, *, has_memfd: bool
) -> None:
    """They are read as they were written, and their descriptor closes with the last who refers to them."""
    if not has_memfd:
        monkeypatch.delattr(os, "memfd_create")
    held = MemoryFile(DATA)
    descriptor = held.fileno()
    assert len(held) == len(DATA)
    assert held.read() == DATA
    assert held.read(len(DATA) - 3) == DATA[-3:]
    assert is_open(descriptor)
    del held
    assert not is_open(descriptor)


def test_no_room_is_a_failure_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor or no memory is left, that is a `StoreError`, which is a 503 with a sentence."""

    def full(_name: str) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pwrite", lambda *_: 1)
    with pytest.raises(StoreError, match="no room"):
        MemoryFile(DATA)
    monkeypatch.setattr(os, "memfd_create", full)
    with pytest.raises(StoreError, match="Too many open files"):
        MemoryFile(DATA)


async def test_what_the_kernel_does_not_take_waits(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """All bytes arrive in their order, behind what was written before, also when the kernel takes only some at once."""
    transport, theirs = pair
    first = b"first" * 2_000_000
    transport.write(first)
    assert transport.get_write_buffer_size()
    send_at_once(transport, HEAD, MemoryFile(DATA))
    expected = first + HEAD + DATA + HEAD + DATA
    received, loop = bytearray(), asyncio.get_running_loop()
    while len(received) < len(expected) - len(HEAD + DATA):
        received += await loop.sock_recv(theirs, 1 << 20)
    assert not transport.get_write_buffer_size()
    send_at_once(transport, HEAD, MemoryFile(DATA))
    assert 0 < transport.get_write_buffer_size() < len(DATA)
    while len(received) < len(expected):
        received += await loop.sock_recv(theirs, 1 << 20)
    assert received == expected


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_CORK and TCP_INFO are Linux's")
async def test_head_and_body_leave_together(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """A head does not travel in a segment of its own before its body, and nothing is held back afterwards."""
    transport, theirs = pair
    connection = transport.get_extra_info("socket")
    send_at_once(transport, HEAD, MemoryFile(b"body"))
    assert theirs.recv(1000) == HEAD + b"body"
    # tcpi_data_segs_out of struct tcp_info in linux/tcp.h
    [segments] = struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 156)
    assert segments == 1
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK) == 0


async def test_a_client_that_is_gone_harms_nobody(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """What is sent to a connection that has ended is lost without a failure."""
    transport, theirs = pair
    theirs.close()
    send_at_once(transport, HEAD, MemoryFile(DATA))
    assert transport.get_write_buffer_size() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_NOTSENT_LOWAT is Linux's")
async def test_little_of_a_long_body_lies_unsent(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """For a client that takes nothing the kernel holds little of a body; after the body a whole page finds room again."""
    transport, _ = pair

    def taken() -> int:
        data, at = MemoryFile(DATA), 0
        while sent := send_some(transport, data, at, len(DATA) - at):
            at += sent
        return at

    with in_small_portions(transport):
        little = taken()
    assert 0 < little < 500_000 < taken()


async def test_some_is_what_the_kernel_takes(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """Bytes are sent from where it is said on and no more of them than that, until there is no room, which is told as none."""
    transport, theirs = pair
    data, at = MemoryFile(DATA), 1000
    assert send_some(transport, data, at, 10) == 10
    at += 10
    while sent := send_some(transport, data, at, len(DATA) - at):
        at += sent
    assert at < len(DATA)
    received = bytearray()
    while len(received) < at - 1000:
        received += await asyncio.get_running_loop().sock_recv(theirs, 1 << 20)
    assert received == DATA[1000:at]


async def test_some_for_who_is_gone_is_a_failure(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """A connection that has ended is told by the first or the second attempt to send on it."""
    transport, theirs = pair
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with pytest.raises(ConnectionError):
        send_some(transport, MemoryFile(DATA), 0, 10)


async def test_what_waits_in_the_kernel_counts(pair: tuple[asyncio.Transport, socket.socket]) -> None:
    """Bytes fit when the kernel has room for twice as many, those included that the client has yet to take."""
    transport, _ = pair
    connection = transport.get_extra_info("socket")
    room = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert fits_at_once(transport, room // 2)
    assert not fits_at_once(transport, room // 2 + 1)
    transport.write(bytes(room // 4))
    assert not transport.get_write_buffer_size()
    assert not fits_at_once(transport, room // 2)
    assert fits_at_once(transport, 1)
