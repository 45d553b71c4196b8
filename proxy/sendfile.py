"""What the kernel sends by itself, without a copy for each client: open files, and memory that has a descriptor."""

import asyncio
import fcntl
import os
import socket
import struct
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from mirror.errors import StoreError

SMALL_BYTES = 32 * 1024
"""So much is given without a question, and may wait in the process for a client that takes nothing."""
_UNSENT_BYTES = 128 * 1024
"""256 MB for 8 clients over loopback: 3.0 GB/s; with 512 KiB 2.1, without a bound 1.6."""


class Sendable(Protocol):
    """What `sendfile` needs of a file."""

    def fileno(self) -> int:
        """Give its descriptor."""
        ...


class MemoryFile:
    """Bytes in memory with a descriptor; they go when nothing refers to them any more.

    Raises:
        StoreError: there is no memory or no descriptor left for them.
    """

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._descriptor = -1
        try:
            self._descriptor = _unnamed()
            written = os.pwrite(self._descriptor, data, 0)
        except OSError as error:
            raise StoreError(f"A page cannot be held in memory: {error.strerror}.") from error
        if written < len(data):
            raise StoreError("A page cannot be held in memory: there is no room.")

    def __len__(self) -> int:
        return self._size

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def fileno(self) -> int:
        """Give the descriptor; it is open for as long as somebody refers to this object."""
        return self._descriptor

    def read(self, start: int = 0) -> bytes:
        """Give a copy of the bytes from `start` on."""
        return os.pread(self._descriptor, self._size - start, start)


def fits_at_once(transport: asyncio.Transport, size: int) -> bool:
    """Tell whether the kernel takes so many bytes now, so that nobody has to wait for the client.

    Nothing may wait in the transport's own buffer.
    """
    if size <= SMALL_BYTES:
        return True
    if sys.platform != "linux" or transport.get_extra_info("sslcontext") is not None:
        return False
    connection = transport.get_extra_info("socket")
    [waiting] = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    # What the kernel has to spend on them counts as well; half of its bound is more than that.
    return bool(2 * (waiting + size) <= connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))


def send_at_once(transport: asyncio.Transport, head: bytes, data: MemoryFile) -> None:
    """Send all of it, of which the kernel takes what it has room for; the rest, if any, waits in the transport.

    Head and body leave in full segments (TCP_CORK, tcp(7)): half-empty ones cost the client's side as much as full ones.
    """
    sent = 0
    with _in_full_segments(transport):
        transport.write(head)
        if not transport.get_write_buffer_size():
            # What may have ended the connection is for the transport to meet.
            with suppress(OSError):
                sent = os.sendfile(transport.get_extra_info("socket").fileno(), data.fileno(), 0, len(data))
    if sent < len(data):
        transport.write(data.read(sent))


@contextmanager
def _in_full_segments(transport: asyncio.Transport) -> Iterator[None]:
    """Let the kernel wait with a segment that is not full until the block ends."""
    connection = transport.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    yield
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


@contextmanager
def in_small_portions(transport: asyncio.Transport | None) -> Iterator[None]:
    """Let the kernel take no more of a body than it soon can send (TCP_NOTSENT_LOWAT, tcp(7)), until the block ends.

    What lies in the kernel unsent is memory that a slow client holds, and a fast one has to fetch it: over loopback and where
    interrupts are handled on the client's core it is sent at the cost of the reader.
    """
    connection = None if transport is None else transport.get_extra_info("socket")
    _limit_unsent(connection, _UNSENT_BYTES)
    try:
        yield
    finally:
        _limit_unsent(connection, 0)


def _limit_unsent(connection: socket.socket | None, size: int) -> None:
    """Set the bound; 0: the system's own."""
    if connection is not None and sys.platform == "linux":
        with suppress(OSError):  # what may have ended the connection is for the transport to meet
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)


def send_some(transport: asyncio.Transport, file: Sendable, at: int, count: int) -> int:
    """Send so many of the bytes [at, at + count) of a file as the kernel takes now, and tell how many; 0: wait for the client.

    Nothing may wait in the transport's own buffer, and it may not be closing. The loop's own `sendfile` takes the connection out of
    its selector and back for each call, which costs more than the call where there is room.

    Raises:
        OSError: the connection has ended.
    """
    try:
        return os.sendfile(transport.get_extra_info("socket").fileno(), file.fileno(), at, count)
    except BlockingIOError:
        return 0


def _unnamed() -> int:
    """Open a file that nobody else sees: in memory where the platform has that (memfd_create(2)), else on the disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("wheelkeep")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)  # noqa: PTH108  (beside the descriptor there is only this path)
    return descriptor
