"""What surrounds every request: its id, its line in the access log, its counters, and failures turned into problems.

It promises three things. Every request ends in one access line and one count, also when its client went away. A failure
before the first byte is a proper answer; a failure after it resets the connection, so that no client takes a part for
the whole. Nothing that the program knows of itself (a traceback, a path) leaves with an answer.
"""

import asyncio
import re
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from structlog.contextvars import bind_contextvars

from mirror.errors import WheelkeepError
from proxy import problems
from proxy.access import Access, Ended, new_request_id
from proxy.front import Front, Recipe, Repeat
from proxy.problems import Declined, Problem

CLIENT_GONE = 499
"""Told of a client that left, or took nothing, before its answer was whole; never sent."""
BROKEN_OFF = 502
"""Told of an answer that we broke off after its headers were out; never sent."""
_NEVER_SENT = {"gone": CLIENT_GONE, "stalled": CLIENT_GONE, "aborted": BROKEN_OFF}
_ANSWERED_AGAIN = frozenset({HTTPStatus.OK, HTTPStatus.NOT_MODIFIED})
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_LONGEST_LOGGED_PATH = 500
_FITS_THE_BUFFER_BYTES = 32 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_log = structlog.stdlib.get_logger("proxy.middleware")


@dataclass(slots=True)
class Note:
    """What one request turned out to be: filled in by its view, told in the access line and the metrics."""

    request_id: str
    view: str = "none"
    index: str | None = None
    source: str | None = None
    outcome: str | None = None
    sent: int = 0
    """Bytes of the body."""
    response: web.StreamResponse | None = None
    """Set once its headers are fixed."""
    reason: str | None = None
    """The sentence of a failure."""
    recipe: Recipe | None = None
    """Left by a view whose answer may be made anew without the application."""


@dataclass(slots=True, eq=False)
class Traffic:
    """The connections with a request under way, and whether the server is about to leave."""

    busy: set[asyncio.BaseTransport | None] = field(default_factory=set)
    draining: bool = False


NOTE = web.RequestKey("note", Note)
TRAFFIC = web.AppKey("traffic", Traffic)


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Put on every response what every response has; a handler of `on_response_prepare`."""
    response.headers["Server"] = "wheelkeep"
    response.headers["X-Content-Type-Options"] = "nosniff"
    note = request.get(NOTE)
    if note is not None:  # a request that is refused for its Expect header never came to the middleware
        note.response = response
        response.headers["X-Request-ID"] = note.request_id


def watch(access: Access, traffic: Traffic, *, write_seconds: float) -> Middleware:
    """Build the middleware.

    Args:
        access: is told how each request ended.
        traffic: knows the requests under way.
        write_seconds: how long a client may take none of an answer's bytes before it is cut off.
    """

    @web.middleware
    async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        note = request[NOTE] = Note(_request_id(request))
        bind_contextvars(request_id=note.request_id)
        transport = request.transport
        traffic.busy.add(transport)
        status = CLIENT_GONE
        response = None
        try:
            response = await _respond(request, handler, note, write_seconds)
            status = _NEVER_SENT.get(note.outcome or "", response.status)
            return response
        finally:
            traffic.busy.discard(transport)
            ended = _ended(request, note, status, time.perf_counter() - begun)
            access(ended)
            if response is not None:
                _tell_the_front(transport, response, ended, note.recipe)

    return watched


def abort(transport: asyncio.Transport | None) -> None:
    """Reset a connection: by an end that looks proper a client might take what it has for the whole."""
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


async def _respond(
    request: web.Request, handler: Handler, note: Note, write_seconds: float
) -> web.StreamResponse:
    """Run the view and send its answer: only here is it known how both went."""
    try:
        try:
            response = await handler(request)
        except Exception as error:
            if note.response is not None:
                raise
            response = _failed(request, note, error)
        await _send(request, response, note, write_seconds)
    except asyncio.CancelledError:
        note.outcome = "gone"
        abort(request.transport)
        raise
    except Exception as error:  # noqa: BLE001 - the headers are out: all that is left is to break off
        _break_off(request, note, error)
        return note.response or web.Response(status=CLIENT_GONE)
    return response


def _break_off(request: web.Request, note: Note, error: Exception) -> None:
    transport = request.transport
    gone = isinstance(error, ConnectionError) or transport is None or transport.is_closing()
    # First of all, and whatever it was: left to itself, the protocol would end the answer as if it were whole.
    abort(transport)
    if gone:
        note.outcome = "gone"
    elif isinstance(error, TimeoutError):
        note.outcome, note.reason = "stalled", "The client took nothing for too long."
    else:
        note.outcome, note.reason = "aborted", str(error)
        if not isinstance(error, WheelkeepError):
            _log.error("an answer broke off unexpectedly", exc_info=error)


async def _send(request: web.Request, response: web.StreamResponse, note: Note, seconds: float) -> None:
    """Send what the view did not send itself, in bounded time."""
    body = response.body if isinstance(response, web.Response) else None
    size = len(body) if isinstance(body, bytes) else 0
    await response.prepare(request)
    transport = request.transport
    if size <= _FITS_THE_BUFFER_BYTES and transport is not None and not transport.get_write_buffer_size():
        # An empty buffer takes this without waiting for the client, so that the common answer needs no timer.
        await response.write_eof()
    else:
        async with asyncio.timeout(seconds):
            await response.write_eof()
    if request.method != "HEAD":
        note.sent += size


def _failed(request: web.Request, note: Note, error: Exception) -> web.Response:
    problem = _problem(error, note)
    note.reason = problem.sentence
    content_type, body = problem.body(request.headers.get("Accept", ""), note.request_id)
    headers = {**problem.headers(), "Content-Type": content_type}
    return web.Response(status=problem.status, reason=problem.reason, body=body, headers=headers)


def _problem(error: Exception, note: Note) -> Problem:
    match error:
        case Declined():
            return error.problem
        case WheelkeepError() if problem := problems.of(error):
            return problem
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            sentence = f"The method {error.method[:20]} is not possible here; possible are {allowed}."
            return Problem(HTTPStatus.METHOD_NOT_ALLOWED, sentence, extra={"Allow": allowed})
        case web.HTTPNotFound():
            return Problem(
                HTTPStatus.NOT_FOUND, "There is nothing here; an index is at /simple/ or /INDEX/simple/."
            )
        case web.HTTPException():
            status = HTTPStatus(error.status)
            return Problem(status, f"{status.phrase}.")
        case _:
            _log.error("a request failed unexpectedly", exc_info=error)
            return problems.unexpected(note.request_id)


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _SANE_REQUEST_ID.match(given) else new_request_id()


def _tell_the_front(
    transport: asyncio.Transport | None, response: web.StreamResponse, ended: Ended, recipe: Recipe | None
) -> None:
    front = None if transport is None else transport.get_protocol()
    if not isinstance(front, Front):
        return
    repeat = None
    if recipe is not None and ended.index is not None and ended.status in _ANSWERED_AGAIN:
        repeat = Repeat(ended.view, ended.index, ended.path, recipe)
    front.answered(response, repeat)


def _ended(request: web.Request, note: Note, status: int, seconds: float) -> Ended:
    path = request.rel_url.raw_path[:_LONGEST_LOGGED_PATH]
    return Ended(
        request_id=note.request_id,
        method=request.method,
        path=path.encode("ascii", "backslashreplace").decode(),
        status=status,
        sent=note.sent,
        seconds=seconds,
        client=request.remote,
        view=note.view,
        index=note.index,
        source=note.source,
        outcome=note.outcome,
        reason=note.reason,
    )
