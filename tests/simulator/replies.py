"""An answer as a value, with the way it is put on the wire, so that a fault is a function from answer to answer."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from aiohttp import web

from tests.simulator.gate import Gate
from tests.simulator.record import Asked

PIECE = 64 * 1024
"""Bytes written at a time."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer that was not sent yet.

    Attributes:
        status: the status code.
        headers: without those of the framing.
        body: what the answer announces, coded as `Content-Encoding` says.
        whole: the file of which `body` is a range; None when it is not a range.
        framing: how the end of the body is told: by its length, in chunks, or by closing the connection.
        cut_at: bytes of the body after which the connection ends; None: all are sent.
        reset: whether a cut connection is reset (RST) and not just closed (FIN).
        gate: where the answer waits.
        hold_at: bytes of the body after which it waits; None: before the status line.
        byte_seconds: what each byte of the body takes; 0: they come as fast as they can.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bytes | None = None
    framing: Literal["length", "chunked", "close"] = "length"
    cut_at: int | None = None
    reset: bool = False
    gate: Gate | None = None
    hold_at: int | None = None
    byte_seconds: float = 0

    def with_headers(self, **headers: str) -> "Reply":
        """Add or replace headers; `_` stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})


class _UntilClosed(web.StreamResponse):
    """A response with neither a length nor chunks: it ends when the connection does, as in HTTP/1.0."""

    _length_check = False


async def send(request: web.BaseRequest, reply: Reply, asked: Asked) -> web.StreamResponse:
    """Put an answer on the wire, and write down how far it came."""
    if reply.gate is not None and reply.hold_at is None:
        await reply.gate.passed()
    if reply.reset and reply.cut_at is None:
        _end_connection(request, reset=True)
        return web.Response()
    response = _framed(reply)
    asked.status = reply.status
    await response.prepare(request)
    if request.method != "HEAD" and reply.status != web.HTTPNotModified.status_code:
        await _send_body(response, reply, asked)
    if reply.cut_at is not None or reply.framing == "close":
        _end_connection(request, reset=reply.reset)
    asked.whole = reply.cut_at is None
    return response


def _framed(reply: Reply) -> web.StreamResponse:
    if reply.framing == "close":
        response: web.StreamResponse = _UntilClosed(status=reply.status, headers=reply.headers)
        response.force_close()
        return response
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if reply.framing == "chunked":
        response.enable_chunked_encoding()
    else:
        response.content_length = len(reply.body)
    return response


async def _send_body(response: web.StreamResponse, reply: Reply, asked: Asked) -> None:
    planned = reply.body[: reply.cut_at]
    held = min(reply.hold_at or 0, len(planned))
    await _send_pieces(response, planned[:held], asked, reply.byte_seconds)
    if reply.gate is not None and reply.hold_at is not None:
        await reply.gate.passed()
    await _send_pieces(response, planned[held:], asked, reply.byte_seconds)


async def _send_pieces(response: web.StreamResponse, data: bytes, asked: Asked, byte_seconds: float) -> None:
    size = 1 if byte_seconds else PIECE
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        if byte_seconds:
            await asyncio.sleep(byte_seconds)
        await response.write(piece)
        asked.sent += len(piece)


def _end_connection(request: web.BaseRequest, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset:
        lingering = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        transport.abort()
    else:
        transport.close()
