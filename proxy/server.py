"""Sockets, signals and the way out: serve an application until it is told to leave, then leave properly.

On SIGTERM or SIGINT readiness goes off at once, no connection is accepted any more, idle ones are closed, and answers under way
have `drain_seconds` to end. What is left then is reset, never ended as if it were whole. A second signal does not wait.
"""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from proxy.middleware import TRAFFIC, Traffic, abort

LONGEST_LINE_BYTES = 8190
"""Of a request line, and of one header field: the longest file name, percent-encoded, many times over."""
MOST_HEADERS = 100
_LOOK_AGAIN_SECONDS = 0.05
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.stdlib.get_logger("proxy.server")


class CannotListen(Exception):
    """The address cannot be listened on; the message says why and what to do."""


async def serve(
    app: web.Application,
    host: str,
    port: int,
    *,
    drain_seconds: float,
    keepalive_seconds: float = 75,
    on_ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, and return when everything is closed. It runs in the main thread.

    Args:
        app: what `proxy.app.build` built.
        host: an address or a name of this machine.
        port: 0 takes a free one.
        drain_seconds: how long answers under way may take to end.
        keepalive_seconds: how long an idle connection stays open, and how long a request's headers may take.
        on_ready: called once with the URL that is served, without a final slash, when connections are accepted.

    Raises:
        CannotListen: the port is taken, forbidden, or the host is not one of this machine.
    """
    runner = web.AppRunner(
        app,
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
    loop = asyncio.get_running_loop()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:
            raise CannotListen(_why_not(error, host, port)) from error
        for number in _SIGNALS:
            loop.add_signal_handler(number, told.put_nowait, number)
        on_ready(site.name)
        name = (await told.get()).name
        _log.info("shutting down", signal=name, requests=len(app[TRAFFIC].busy))
        await _drain(runner, app[TRAFFIC], drain_seconds, told)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        await runner.cleanup()


async def _drain(
    runner: web.AppRunner, traffic: Traffic, seconds: float, told: "asyncio.Queue[signal.Signals]"
) -> None:
    """Let what is under way end; reset the rest."""
    traffic.draining = True
    for site in runner.sites:
        await site.stop()
    server = runner.server
    if server is None:
        return
    server.pre_shutdown()  # a busy connection is closed when its answer is out
    for connection in server.connections:
        if connection.transport not in traffic.busy:
            connection.force_close()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # A connection leaves the list when its last byte is with the kernel, of which aiohttp tells nobody: so it is watched.
    while server.connections and loop.time() < deadline and told.empty():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    for connection in server.connections:
        abort(connection.transport)


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
