"""Many clients of one file at once, each of whose bytes is checked as it comes.

Every byte is compared with the upstream's own file, whose SHA-256 is the one on its page: that is as strict as hashing, and costs
the load's core a tenth of it, so that the servers are measured and not this client. All clients are connected before the first
one asks, and all ask in one go. Times are seconds since the epoch, so that they can be held against the upstream's log.
"""

import asyncio
import ctypes
import mmap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from benchmarks.errors import WrongAnswer

_FIRST_PIECE_BYTES = 32 * 1024
"""As long as a client has no bytes yet, nobody takes more at a time: a first byte is not to wait for another's tenth megabyte."""
_PIECE_BYTES = 256 * 1024
_LONGEST_HEAD_BYTES = 64 * 1024
_CONNECTING_AT_ONCE = 64
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LIBC = ctypes.CDLL(None)
_LIBC.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


@dataclass(frozen=True)
class Fetch:
    """One client's download, whole and right.

    Attributes:
        asked: when its request left.
        first: when it had the first byte of the body.
        ended: when it had the last one.
        redirected: it was sent elsewhere.
    """

    asked: float
    first: float
    ended: float
    redirected: bool


class _Yardstick:
    """The file as it must be, and the room that all connections receive into."""

    def __init__(self, original: mmap.mmap, waiting: int) -> None:
        self.size = len(original)
        self.waiting = waiting
        """How many clients have no byte of a body yet."""
        self._room = bytearray(_PIECE_BYTES)
        self.view = memoryview(self._room)
        self._right = ctypes.addressof(ctypes.c_char.from_buffer(original))
        self._got = ctypes.addressof(ctypes.c_char.from_buffer(self._room))

    def room(self) -> memoryview:
        return self.view[:_FIRST_PIECE_BYTES] if self.waiting else self.view

    def agrees(self, start: int, size: int, offset: int) -> bool:
        """Compare `size` bytes of the room from `start` on with the file from `offset` on."""
        if offset + size > self.size:
            return False
        return not _LIBC.memcmp(self._got + start, self._right + offset, size)


class _Connection(asyncio.BufferedProtocol):
    """One request and its answer."""

    def __init__(self, yardstick: _Yardstick) -> None:
        self._yardstick = yardstick
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None
        self._received = 0
        self.location: str | None = None
        self.asked = self.first = self.ended = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is needed")
        self._transport = transport

    def ask(self, request: bytes) -> None:
        if self._transport is not None:
            self._transport.write(request)
        self.asked = time.time()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  (asyncio's own signature)
        return self._yardstick.room()

    def buffer_updated(self, nbytes: int) -> None:
        if self.done.done():
            return
        start = 0
        if not self.first:
            start = self._take_head(nbytes)
            if start >= nbytes or self.done.done():
                return
            self.first = time.time()
            self._yardstick.waiting -= 1
        size = nbytes - start
        if not self._yardstick.agrees(start, size, self._received):
            self._fail(f"other bytes came between {self._received} and {self._received + size}")
            return
        self._received += size
        if self._received == self._yardstick.size:
            self.ended = time.time()
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(
            f"the connection ended after {self._received} of {self._yardstick.size} bytes ({exc or 'closed'})"
        )

    def _take_head(self, size: int) -> int:
        """Take the head out of the room, and tell where the body begins there; at its end when there is none yet."""
        before = len(self._head)
        self._head += self._yardstick.view[:size]
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > _LONGEST_HEAD_BYTES:
                self._fail("the head of the answer does not end")
            return size
        self._read_head(bytes(self._head[:end]).decode("latin-1"))
        return end + 4 - before

    def _read_head(self, head: str) -> None:
        status_line, *lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status_line.split()[1])
        if status in _REDIRECTS and "location" in fields:
            self.location = fields["location"]
            self._finish()
        elif status != HTTPStatus.OK:
            self._fail(f"the answer was {status}")
        elif "transfer-encoding" in fields or fields.get("content-length", "") not in {
            "",
            str(self._yardstick.size),
        }:
            self._fail("the answer does not have the file's length")

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(WrongAnswer(reason))
        if self._transport is not None:
            self._transport.abort()


def fetch(url: str, original: Path, *, clients: int, seconds: float) -> list[Fetch]:
    """Let so many clients fetch one file at once.

    Args:
        url: of the file at the server that is measured.
        original: the upstream's own file.
        clients: how many.
        seconds: how long all of it may take.

    Raises:
        WrongAnswer: one of them did not get the file, or not this file, or not in time.
    """
    with _mapped(original) as content:
        try:
            return asyncio.run(_fetch(url, _Yardstick(content, clients), clients, seconds))
        except TimeoutError as error:
            raise WrongAnswer(f"not all {clients} clients had the file after {seconds:.0f} s") from error
        except OSError as error:
            raise WrongAnswer(f"a client could not connect: {error.strerror or error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    # A private, writable view: only of such does ctypes give the address. It is unmapped with its last user.
    with path.open("rb") as file:
        yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


async def _fetch(url: str, yardstick: _Yardstick, clients: int, seconds: float) -> list[Fetch]:
    async with asyncio.timeout(seconds):
        gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        connections = await asyncio.gather(*(_connect(url, yardstick, gate) for _ in range(clients)))
        request = _request(url)
        for connection in connections:
            connection.ask(request)
        return await asyncio.gather(
            *(_follow(url, yardstick, gate, connection) for connection in connections)
        )


async def _connect(url: str, yardstick: _Yardstick, gate: asyncio.Semaphore) -> _Connection:
    parts = urlsplit(url)
    async with gate:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(yardstick), parts.hostname or "", parts.port or 80
        )
        return connection


async def _follow(url: str, yardstick: _Yardstick, gate: asyncio.Semaphore, connection: _Connection) -> Fetch:
    """Wait for a download; one redirect is followed, as clients do."""
    await connection.done
    asked = connection.asked
    if connection.location is None:
        return Fetch(asked, connection.first, connection.ended, redirected=False)
    target = urljoin(url, connection.location)
    second = await _connect(target, yardstick, gate)
    second.ask(_request(target))
    await second.done
    if second.location is not None:
        raise WrongAnswer("a client was redirected twice")
    return Fetch(asked, second.first, second.ended, redirected=True)


def _request(url: str) -> bytes:
    parts = urlsplit(url)
    return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: identity\r\n\r\n".encode()
