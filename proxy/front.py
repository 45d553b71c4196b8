"""In front of the application: a request that came before, byte for byte, is answered without being taken apart again.

A `Front` stands before the protocol of each connection. When the application has answered a plain GET whose answer is held in
memory, or a 304, the front keeps the very bytes of that request beside a recipe: how to make the answer anew. The same bytes need no
parser, no task and no routing then. Index and cache are asked as ever, so that nothing is older than by the other way; when they
would have to wait, or fail, or say something else than before, the request goes to the application. They are asked once in a
turn of the event loop: whoever asks the same in one turn asks at one time, and is told of as one look-up. A large answer
is given when the kernel has room for all of it, so that nobody waits for the client here.

It answers only between two requests of a connection on which nothing but plain GETs came, each in one piece: there is no body,
no part and no second request that could be taken for one. Where it sees anything else it steps aside for good.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal, cast

import msgspec
from aiohttp import web

from proxy.access import Access, Ended, new_request_id
from proxy.room import MOST_CONNECTIONS, TurnedAway
from proxy.sendfile import MemoryFile, fits_at_once, send_at_once

MOST_REQUESTS = 2048
"""Requests that are known by heart, together a few MiB; the oldest leave first."""
LONGEST_REQUEST_BYTES = 2048

_PLAIN = re.compile(
    rb"GET /[!-~]* HTTP/1\.1\r\n"
    rb"(?:(?!content-length|transfer-encoding|upgrade|expect|te:|trailer|connection:(?! keep-alive\r))[a-z0-9-]+:[\t -~]*\r\n)+\r\n",
    re.IGNORECASE,
)
"""One whole request that can have no body and leaves the connection open."""
_REPEATABLE = re.compile(
    rb"[^\r]+\r\n(?:(?:host|user-agent|accept|accept-encoding|accept-language|cache-control|pragma|connection|if-none-match"
    rb"|via|forwarded|x-forwarded-[a-z]+|x-real-ip):[^\r]*\r\n)+\r\n",
    re.IGNORECASE,
)
"""With no field that gives a credential or an id, or says which part is wanted."""


class Ready(msgspec.Struct, frozen=True):
    """An answer of which nothing is left to find out."""

    head: bytes
    """Status line and header fields of the representation, each with its line end."""
    body: bytes | MemoryFile
    source: str | None
    outcome: str
    status: Literal[HTTPStatus.OK, HTTPStatus.NOT_MODIFIED] = HTTPStatus.OK


Recipe = Callable[[], Coroutine[Any, Any, Ready | None]]
"""Makes an answer anew; None: the application has to."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a view leaves behind of a request that may come again: how it is told, and how it is answered."""

    view: str
    index: str
    path: str
    recipe: Recipe


class Repeats:
    """The requests that are known by heart.

    Args:
        access: is told of each one that was answered.
        leaving: whether the server is about to go, and connections with it.
    """

    def __init__(self, access: Access, leaving: Callable[[], bool]) -> None:
        self._access = access
        self._leaving = leaving
        self._known: dict[bytes, Repeat] = {}
        self._turn: dict[bytes, Ready | None] = {}
        self._second = 0
        self._common = b""

    def learn(self, request: bytes, repeat: Repeat) -> None:
        """Keep a request, when it is one that may be."""
        if len(request) > LONGEST_REQUEST_BYTES or not _REPEATABLE.fullmatch(request):
            return
        if len(self._known) >= MOST_REQUESTS:
            del self._known[next(iter(self._known))]
        self._known[request] = repeat

    def answer(self, request: bytes, transport: asyncio.Transport, client: str | None) -> bool:
        """Answer a request at once, or tell that the application has to."""
        repeat = self._known.get(request)
        if repeat is None or transport.get_write_buffer_size() or transport.is_closing() or self._leaving():
            return False
        begun = time.perf_counter()
        ready = self._turn[request] if request in self._turn else self._made(request, repeat.recipe)
        if ready is None or not fits_at_once(transport, len(ready.body)):
            return False
        request_id = new_request_id()
        named = f"X-Request-ID: {request_id}\r\n\r\n".encode()
        body = ready.body
        if isinstance(body, bytes):
            transport.write(b"".join((ready.head, self._fields(), named, body)))
        else:
            send_at_once(transport, b"".join((ready.head, self._fields(), named)), body)
        self._access(
            Ended(
                request_id=request_id,
                method="GET",
                path=repeat.path,
                status=ready.status,
                sent=len(ready.body),
                seconds=time.perf_counter() - begun,
                client=client,
                view=repeat.view,
                index=repeat.index,
                source=ready.source,
                outcome=ready.outcome,
            )
        )
        return True

    def _made(self, request: bytes, recipe: Recipe) -> Ready | None:
        """Make an answer, or see that somebody has to wait for it, once in a turn of the event loop.

        What many ask in one turn, they ask at one time; a try that has to wait leaves work behind that nobody needs.
        """
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._turn.clear)
        ready = self._turn[request] = _run(recipe())
        return ready

    def _fields(self) -> bytes:
        """Give the fields that every answer has; the date changes once a second."""
        now = int(time.time())
        if now != self._second:
            date = formatdate(now, usegmt=True)
            common = f"Date: {date}\r\nServer: wheelkeep\r\nX-Content-Type-Options: nosniff\r\n"
            self._second, self._common = now, common.encode()
        return self._common


class Front(asyncio.Protocol):
    """Stands before the protocol of one connection."""

    def __init__(self, behind: web.RequestHandler, repeats: Repeats, has_room: Callable[[], bool]) -> None:
        self._behind = behind
        self._has_room = has_room
        self._repeats = repeats
        self._transport: asyncio.Transport | None = None
        self._client: str | None = None
        self._asked: bytes | None = None
        """What the application is answering now."""
        self._let_through = 0.0
        self._each_seconds = behind.keepalive_timeout / 10
        """So often the protocol sees a request, since it closes a connection on which it sees none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the connection away; it counts from here on, so that of many that come at once no more are let in."""
        if not self._has_room():
            transport.set_protocol(away := TurnedAway())
            away.connection_made(transport)
            return
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else None
        self._behind.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is known by heart, and hand on the rest."""
        if self._transport is not None and self._asked is None:
            now = time.monotonic()
            seen = now - self._let_through < self._each_seconds
            if seen and self._repeats.answer(data, self._transport, self._client):
                return
            if _PLAIN.fullmatch(data):
                self._asked, self._let_through = data, now
            else:
                self._step_aside()
        else:
            self._step_aside()
        self._behind.data_received(data)

    def answered(self, response: web.StreamResponse, repeat: Repeat | None) -> None:
        """Hear from the application that all of an answer is out; `repeat` is left when the next may be given here."""
        asked, self._asked = self._asked, None
        if asked is None or not response.keep_alive:
            self._step_aside()
        elif repeat is not None:
            self._repeats.learn(asked, repeat)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; see the base class."""
        self._behind.connection_lost(exc)

    def eof_received(self) -> None:
        """Hear that the client sends nothing more; see the base class."""
        self._behind.eof_received()

    def pause_writing(self) -> None:
        """Hear that the client is slow; see the base class."""
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        """Hear that the client has caught up; see the base class."""
        self._behind.resume_writing()

    def _step_aside(self) -> None:
        if self._transport is not None:
            self._transport.set_protocol(self._behind)
            self._transport = None


REPEATS = web.AppKey("repeats", Repeats)


class Runner(web.AppRunner):
    """Runs an application with a `Front` before each connection.

    Args:
        app: the application.
        most_connections: open at one time; more are turned away.
        options: those of the base class.
    """

    def __init__(
        self, app: web.Application, *, most_connections: int = MOST_CONNECTIONS, **options: Any
    ) -> None:
        super().__init__(app, **options)
        self._most_connections = most_connections

    async def _make_server(self) -> web.Server:
        return _Fronted(await super()._make_server(), self.app[REPEATS], self._most_connections)


class _Fronted(web.Server):
    """The very server that it is made of, but for what a new connection meets first."""

    def __init__(self, server: web.Server, repeats: Repeats, most_connections: int) -> None:
        self.__dict__ = server.__dict__
        self._repeats = repeats
        self._most_connections = most_connections

    def __call__(self) -> web.RequestHandler:
        # asyncio asks for a protocol, and this is one; only the annotation of the base class says more.
        return cast("web.RequestHandler", Front(super().__call__(), self._repeats, self._has_room))

    def _has_room(self) -> bool:
        return len(self._connections) < self._most_connections


def wire_head(headers: Mapping[str, str], size: int) -> bytes:
    """Write status line and header fields of a 200 whose body has `size` bytes."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {size}\r\n".encode("latin-1")


def _run(making: Coroutine[Any, Any, Ready | None]) -> Ready | None:
    """Run a coroutine as far as it goes without waiting; None when it has to wait, or fails."""
    try:
        waited = making.send(None)
    except StopIteration as done:
        return cast("Ready | None", done.value)
    except Exception:  # noqa: BLE001 - the application meets it again, and says it properly
        return None
    making.close()
    if isinstance(waited, asyncio.Future):  # nobody waits for it any more, and how it ends is no news
        waited.add_done_callback(_heard)
    return None


def _heard(future: "asyncio.Future[object]") -> None:
    if not future.cancelled():
        future.exception()
