"""The rest of a long body straight from its connection, received into two rooms that are used again and again.

aiohttp makes an object of each 256 KiB that the socket gives, copies it in its parser, and once more for its reader. Where its
length alone delimits a body, the rest of it needs no parser: asyncio's `BufferedProtocol` receives it, TLS or not.
"""

import asyncio
from contextlib import suppress
from typing import Self

import aiohttp

ROOM_BYTES = 1024 * 1024
"""The longest piece. Two such rooms are all that is held of a body."""


class Inflow(asyncio.BufferedProtocol):
    """The rest of a body. Its connection carries nothing else afterwards: aiohttp closes it with the response."""

    def __init__(self, transport: asyncio.Transport, former: asyncio.BaseProtocol, left: int) -> None:
        """Begin to receive.

        Args:
            transport: of the connection; its reading is paused.
            former: the protocol that the connection had.
            left: bytes of the body that have not been received.
        """
        self._transport = transport
        self._former = former
        self._left = left
        self._room = memoryview(bytearray(ROOM_BYTES))
        self._other = memoryview(bytearray(ROOM_BYTES))
        self._filled = 0
        self._wanted = 0
        self._moved = asyncio.Event()
        self._is_lost = False
        self._loss: Exception | None = None
        transport.set_protocol(self)
        transport.resume_reading()

    @classmethod
    def take_over(cls, response: aiohttp.ClientResponse) -> tuple[bytes, Self | None]:
        """Take the connection of a response, whose length alone delimits its body, from aiohttp.

        Returns:
            What aiohttp has received and nobody has read, and the rest; None where aiohttp has it all.

        Raises:
            aiohttp.ClientError: the body broke off.
        """
        content, connection = response.content, response.connection
        head = b""
        while more := content.read_nowait():
            head += more
        former = None if connection is None else connection.protocol
        if content.is_eof() or former is None or former.transport is None:
            return head, None
        left = (response.content_length or 0) - content.total_bytes
        former.pause_reading()  # which also stops the clock that aiohttp has for silence
        return head, cls(former.transport, former, left)

    async def piece(self, *, silence_seconds: float, gather_seconds: float) -> memoryview:
        """Give what has come, a room full of it when that is soon; empty at the end, also where that is too early.

        A piece is good until the next one is asked for.

        Raises:
            OSError: the connection was lost.
            TimeoutError: nothing came for so long.
        """
        if not self._has(1):
            async with asyncio.timeout(silence_seconds):
                await self._until(1)
        if not self._has(ROOM_BYTES):
            with suppress(TimeoutError):
                async with asyncio.timeout(gather_seconds):
                    await self._until(ROOM_BYTES)
        if not self._filled and self._loss is not None:
            raise self._loss
        piece = self._room[: self._filled]
        self._room, self._other, self._filled = self._other, self._room, 0
        if self._left:
            self._transport.resume_reading()
        return piece

    async def _until(self, size: int) -> None:
        self._wanted = size
        while not self._has(size):
            self._moved.clear()
            await self._moved.wait()

    def _has(self, size: int) -> bool:
        """Tell whether so many bytes are in the room, or there will be no more."""
        return self._filled >= size or not self._left or self._is_lost

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  (asyncio's own signature)
        """Give the free part of the room, as far as the body goes."""
        return self._room[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what was received."""
        self._filled += nbytes
        self._left -= nbytes
        if self._filled == ROOM_BYTES or not self._left:
            self._transport.pause_reading()
            self._moved.set()
        elif self._filled >= self._wanted:
            self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, and aiohttp."""
        self._is_lost, self._loss = True, exc
        self._moved.set()
        self._former.connection_lost(exc)
