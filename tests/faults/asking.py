"""A plain client on raw sockets: it keeps every answer, whole or not, so that all of them can be judged in the end."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from multidict import CIMultiDict

from tests.proxy.memory import read_reply

BUDGET_SECONDS = 60.0
"""Within which every request must have ended, and no other patience is longer."""
SLOW_BYTES = 16 * 1024
"""What the kernel takes for a client that does not read."""
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Answer:
    """What one request came to.

    Attributes:
        path: that was asked for.
        method: that was asked with.
        status: 0 when the connection ended before there was one.
        headers: of the answer.
        body: as far as it came.
        whole: whether the framing says that this is all of it.
        left: whether the client went before the end.
        after: how many answers had come when it was asked.
    """

    path: str
    method: str
    status: int
    headers: CIMultiDict[str]
    body: bytes
    whole: bool
    left: bool
    after: int


@dataclass(eq=False)
class Asking:
    """One request under way, on a connection of its own."""

    client: "Client"
    path: str
    method: str
    after: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    data: bytearray = field(default_factory=bytearray)

    async def some(self, size: int) -> bytes:
        """Read until so many bytes of the body are there, or the end; give all of the body so far."""
        async with asyncio.timeout(BUDGET_SECONDS):
            while len(self._body) < size and await self._more():
                pass
        return self._body

    async def rest(self) -> Answer:
        """Read to the end, which comes within the budget."""
        async with asyncio.timeout(BUDGET_SECONDS):
            while await self._more():
                pass
        return self._ended(left=False)

    def leave(self) -> Answer:
        """Go away in the middle."""
        return self._ended(left=True)

    async def _more(self) -> bool:
        with suppress(ConnectionError):
            piece = await self.reader.read(256 * 1024)
            self.data += piece
            return bool(piece)
        return False

    @property
    def _body(self) -> bytes:
        return bytes(self.data.partition(b"\r\n\r\n")[2])

    def _ended(self, *, left: bool) -> Answer:
        self.writer.transport.abort()
        self.client.under_way.discard(self)
        status, headers, body, whole = 0, CIMultiDict[str](), b"", False
        if b"\r\n\r\n" in self.data:
            reply = read_reply(bytes(self.data), self.method)
            status, headers, body, whole = reply.status, reply.headers, reply.body, reply.whole
        answer = Answer(self.path, self.method, status, headers, body, whole, left and not whole, self.after)
        self.client.answers.append(answer)
        return answer


@dataclass
class Client:
    """Asks the server at a port of loopback.

    Attributes:
        port: where.
        answers: all that it was ever given.
        under_way: requests that have not ended.
    """

    port: int
    answers: list[Answer] = field(default_factory=list)
    under_way: set[Asking] = field(default_factory=set)

    async def ask(
        self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
    ) -> Answer:
        """Ask for a path, and read to the end."""
        return await (await self.begin(path, headers, method=method)).rest()

    async def begin(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        slow: bool = False,
    ) -> Asking:
        """Ask for a path, and leave the reading to the caller; a slow one takes little that it does not read."""
        connection = socket.socket()
        connection.setblocking(False)  # noqa: FBT003  (the standard library gives the signature)
        if slow:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=SLOW_BYTES if slow else 2**16)
        asking = Asking(self, path, method, len(self.answers), reader, writer)
        self.under_way.add(asking)
        fields = {"Host": "index.example", "Accept": JSON, "Connection": "close"} | dict(headers or {})
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return asking


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody tells; bounded, so that a failure is one."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not happen.")
