"""The body of a file as it comes: in pieces worth handling, watched for silence and trickle, counted to its end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp

from mirror.errors import UpstreamError
from mirror.upstream.calls import Call
from mirror.upstream.failures import READ_ERRORS, Asked
from mirror.upstream.inflow import Inflow
from mirror.upstream.limits import KIB, Limits
from mirror.upstream.ranges import Extent

LARGEST_PIECE_BYTES = 512 * KIB
SMALLEST_PIECE_BYTES = 64 * KIB
"""Smaller pieces cost more than they carry; only the last one, or one on a slow line, is smaller."""
GATHER_SECONDS = 0.02
"""How long a small piece waits for company."""


class ArrivingBody:
    """Fulfils `mirror.ports.Body`; its `chunks` are read once.

    Attributes:
        delimited: whether the answer announces its length, or is chunked.
        failure: why it broke, once it has.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, asked: Asked, extent: Extent, *, limits: Limits, call: Call
    ) -> None:
        self.start = extent.start
        self.total = extent.total
        self.validator = extent.validator
        self.ranges = extent.ranges
        self.delimited = is_framed(response)
        self.failure: UpstreamError | None = None
        self._expected = extent.length
        self._response = response
        self._inflow: Inflow | None = None
        self._asked = asked
        self._limits = limits
        self._call = call
        self._head = b""

    async def peek(self) -> bytes:
        """Give the first bytes without taking them away.

        Raises:
            Unreachable: they did not come.
        """
        if not self._head:
            self._head = bytes(await self._piece())
        return self._head

    async def chunks(self) -> AsyncIterator[bytes | memoryview]:
        """Give the bytes as they arrive; a piece is good until the next one is asked for.

        Raises:
            Unreachable: the body broke off, fell silent or trickled, or is not as long as was announced.
        """
        received = 0
        patience = Patience(self._limits)
        while True:
            head, self._head = self._head, b""
            began = time.monotonic()
            piece: bytes | memoryview = head or await self._piece()
            if not piece:
                break
            patience.spend(time.monotonic() - began, len(piece))
            received += len(piece)
            if self._expected is not None and received > self._expected:
                raise self._broken("sends more than it announced")
            yield piece
            if received != self._expected and patience.is_over():
                raise self._broken("sends too slowly to go on")
        if self._expected is not None and received < self._expected:
            raise self._broken("broke off in the middle of its answer")

    async def _piece(self) -> bytes | memoryview:
        try:
            piece = await self._next()
        except READ_ERRORS as error:
            self.failure = self._asked.broken(error)
            raise self.failure from self.failure.__cause__
        self._call.received += len(piece)
        return piece

    async def _next(self) -> bytes | memoryview:
        if self._inflow is None and self._is_long():
            head, self._inflow = Inflow.take_over(self._response)
            if head or self._inflow is None:
                return head
        if self._inflow is None:
            return await self._gathered(self._response.content)
        silence = self._limits.between_bytes_seconds
        return await self._inflow.piece(silence_seconds=silence, gather_seconds=GATHER_SECONDS)

    def _is_long(self) -> bool:
        """Tell whether what is still to come is worth a connection of its own; what comes in chunks has no length."""
        length = self._response.content_length
        return (
            length is not None and length - self._response.content.total_bytes >= self._limits.long_body_bytes
        )

    async def _gathered(self, content: aiohttp.StreamReader) -> bytes:
        first = await content.read(LARGEST_PIECE_BYTES)
        pieces, size = [first], len(first)
        # What breaks meanwhile breaks again at the next read, after these bytes were handed on.
        with suppress(*READ_ERRORS):
            async with asyncio.timeout(GATHER_SECONDS):
                while first and size < SMALLEST_PIECE_BYTES:
                    piece = await content.read(LARGEST_PIECE_BYTES - size)
                    if not piece:
                        break
                    pieces.append(piece)
                    size += len(piece)
        return b"".join(pieces)

    def _broken(self, what: str) -> UpstreamError:
        self.failure = self._asked.unreachable(what)
        return self.failure


class Patience:
    """Tells when a body comes so slowly that it will not come in any useful time.

    Only the time spent waiting for the upstream counts: a reader that takes its time is not the upstream's fault.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seconds = 0.0
        self._bytes = 0
        self._is_over = False

    def spend(self, seconds: float, size: int) -> None:
        """Add so many seconds of waiting, for so many bytes."""
        self._seconds += seconds
        self._bytes += size
        if self._seconds >= self._limits.slow_window_seconds:
            self._is_over = self._bytes < self._seconds * self._limits.slow_bytes_per_second
            self._seconds, self._bytes = 0.0, 0

    def is_over(self) -> bool:
        """Tell whether the last whole window was too slow."""
        return self._is_over


def is_framed(response: aiohttp.ClientResponse) -> bool:
    """Tell whether the end of the body is marked, so that a body cut short was noticed (RFC 9112 section 6.3)."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or response.content_length is not None
