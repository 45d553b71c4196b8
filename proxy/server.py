"""Sockets, signals and the way out: serve an application until it is told to leave, then leave properly.

On SIGTERM or SIGINT readiness goes off at once, no connection is accepted any more, idle ones are closed, and answers under way
have `drain_seconds` to end. What is left then is reset, never ended as if it were whole. A second signal does not wait.
A worker among several is told by its supervisor, and by nobody else: what goes to all processes at once is one signal.
"""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from yarl import URL

from proxy.front import Runner
from proxy.middleware import TRAFFIC, Traffic, abort
from proxy.room import MOST_CONNECTIONS

LONGEST_LINE_BYTES = 8190
"""Of a request line, and of one header field: the longest file name, percent-encoded, many times over."""
MOST_HEADERS = 100
BACKLOG = 1024
"""Connections that may wait to be accepted, at each socket."""
_LOOK_AGAIN_SECONDS = 0.05
_TURNS_TO_ACCEPT = 3
"""Of the event loop, from the acceptance of a connection until it is known. Where asyncio stops to listen in between, it drops
the connection without closing it: the client waits in vain."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.stdlib.get_logger("proxy.server")


class CannotListen(Exception):
    """The address cannot be listened on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where one process accepts connections.

    Attributes:
        url: what is served there, as the host was written, without a final slash.
        sockets: bound and listening, one for each address of the host.
    """

    url: str
    sockets: tuple[socket.socket, ...]

    def close(self) -> None:
        """Accept nothing there any more; a copy that another process has is its own."""
        for each in self.sockets:
            each.close()


def listen(host: str, port: int, *, workers: int = 1) -> list[Listening]:
    """Listen for so many processes on one port. It blocks, since it may look the host up.

    Several have a socket each, among which the kernel spreads connections by their address: where they share one, who
    wakes first takes all that wait. Whoever holds the sockets keeps what waits at one while its process is replaced.

    Args:
        host: an address or a name of this machine.
        port: 0 takes a free one.
        workers: processes.

    Raises:
        CannotListen: the port is taken, forbidden, or the host is not one of this machine.
    """
    bound: list[list[socket.socket]] = []
    try:
        addresses = _addresses(host)
        # The first takes the port for itself alone: by the others alone, another wheelkeep could be joined unawares.
        first = _bound(addresses, port, shared=False)
        bound.append(first)
        port = first[0].getsockname()[1]
        if workers > 1:
            for each in bound.pop():
                each.close()
            for _ in range(workers):
                bound.append(_bound(addresses, port, shared=True))  # noqa: PERF401  (what is bound is closed on failure)
    except (OSError, UnicodeError) as error:
        for sockets in bound:
            for each in sockets:
                each.close()
        raise CannotListen(_why_not(error, host, port)) from error
    url = str(URL.build(scheme="http", host=host, port=port))
    return [Listening(url, tuple(sockets)) for sockets in bound]


async def serve(
    app: web.Application,
    listening: Listening,
    *,
    drain_seconds: float,
    keepalive_seconds: float = 75,
    write_seconds: float = 60,
    most_connections: int = MOST_CONNECTIONS,
    orders: socket.socket | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Serve until told to leave, and return when everything is closed. It runs in the main thread.

    Args:
        app: what `proxy.app.build` built.
        listening: where; closed in the end.
        drain_seconds: how long answers under way may take to end.
        keepalive_seconds: how long an idle connection stays open, and how long a request's headers may take.
        write_seconds: how long a client may take none of the bytes that wait for it before its connection is reset.
        most_connections: open at one time; more are closed at once.
        orders: of a worker's supervisor: each byte is a signal's number, and the end is a SIGTERM. None: SIGTERM and
            SIGINT of this process are heard instead.
        on_ready: called once, when connections are accepted.
    """
    runner = Runner(
        app,
        most_connections=most_connections,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=keepalive_seconds,
        logger=_protocol_logger(),
        max_field_size=LONGEST_LINE_BYTES,
        max_headers=MOST_HEADERS,
        max_line_size=LONGEST_LINE_BYTES,
        shutdown_timeout=1,
    )
    await runner.setup()
    told: asyncio.Queue[signal.Signals] = asyncio.Queue()
    try:
        for each in listening.sockets:
            _cut_off_who_takes_nothing(each, write_seconds)
            await web.SockSite(runner, each, backlog=BACKLOG).start()
        with _signals(told) if orders is None else _orders(told, orders):
            on_ready()
            name = (await told.get()).name
            _log.info("shutting down", signal=name, requests=len(app[TRAFFIC].busy))
            await _drain(runner, listening, app[TRAFFIC], drain_seconds, told)
    finally:
        await runner.cleanup()
        listening.close()


def _cut_off_who_takes_nothing(listening: socket.socket, seconds: float) -> None:
    """Let the kernel reset a connection whose client takes nothing for so long (RFC 5482), for all that are accepted here.

    Most answers are written without anybody waiting for the client, and a connection with bytes that nobody takes cannot be
    closed: it would be kept, with its bytes and its descriptor, for as long as the client likes.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(seconds * 1000)))


@contextmanager
def _signals(told: "asyncio.Queue[signal.Signals]") -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, told.put_nowait, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def _orders(told: "asyncio.Queue[signal.Signals]", orders: socket.socket) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    orders.settimeout(0)

    def hear() -> None:
        order = orders.recv(1)
        if not order:
            loop.remove_reader(orders)  # an end is heard for ever
        told.put_nowait(signal.Signals(order[0]) if order else signal.SIGTERM)

    loop.add_reader(orders, hear)
    try:
        yield
    finally:
        loop.remove_reader(orders)


async def _drain(
    runner: web.AppRunner,
    listening: Listening,
    traffic: Traffic,
    seconds: float,
    told: "asyncio.Queue[signal.Signals]",
) -> None:
    """Let what is under way end; reset the rest."""
    traffic.draining = True
    loop = asyncio.get_running_loop()
    for each in listening.sockets:
        loop.remove_reader(each)
    for _ in range(_TURNS_TO_ACCEPT):
        await asyncio.sleep(0)
    for site in runner.sites:
        await site.stop()
    server = runner.server
    if server is None:
        return
    server.pre_shutdown()  # a busy connection is closed when its answer is out
    for connection in server.connections:
        if connection.transport not in traffic.busy:
            connection.force_close()
    deadline = loop.time() + seconds
    # A connection leaves the list when its last byte is with the kernel, of which aiohttp tells nobody: so it is watched.
    while server.connections and loop.time() < deadline and told.empty():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    for connection in server.connections:
        abort(connection.transport)


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Give the addresses that a host stands for, each once."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return list(dict.fromkeys((family, socket.getnameinfo(at, numeric)[0]) for family, _, _, _, at in found))


def _bound(
    addresses: list[tuple[socket.AddressFamily, str]], port: int, *, shared: bool
) -> list[socket.socket]:
    """Listen at all addresses on one port."""
    sockets: list[socket.socket] = []
    try:
        for family, address in addresses:
            bound = socket.create_server((address, port), family=family, backlog=BACKLOG, reuse_port=shared)
            sockets.append(bound)
            port = bound.getsockname()[1]
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _why_not(error: OSError | UnicodeError, host: str, port: int) -> str:
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):
        return _no_address(host)  # a name that nobody knows, or that no name can be
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} at {host} is taken by another program: stop that, or choose another port."
        case errno.EACCES | errno.EPERM:
            return f"Port {port} at {host} is for privileged programs: choose one above 1023."
        case errno.EADDRNOTAVAIL | None:  # none is what asyncio gives from Python 3.13 on
            return _no_address(host)
        case _:
            return f"{host} port {port} cannot be listened on: {error.strerror or error}."


def _no_address(host: str) -> str:
    return f"This machine has no address {host}: choose one of its own, 127.0.0.1 or 0.0.0.0."


class _ClientsFault(logging.Filter):
    """A malformed request is one line, not a traceback: anybody can send one, as often as he likes."""

    def filter(self, record: logging.LogRecord) -> bool:
        cause = record.exc_info[1] if record.exc_info else None
        if isinstance(cause, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, "INFO"
            record.exc_info = None
        return True


def _protocol_logger() -> logging.Logger:
    logger = logging.getLogger("proxy.protocol")
    logger.filters = [_ClientsFault()]
    return logger
