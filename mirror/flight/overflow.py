"""What of a file the disk did not take: passed on through a bounded window in memory, as fast as its slowest reader goes."""

import asyncio
from collections import deque
from collections.abc import Callable

from mirror.errors import StoreError

WINDOW_BYTES = 16 * 1024 * 1024
"""What is kept in memory of one file for readers that are behind."""


class Overflow:
    """The bytes of a file from an offset on, for the readers that are there; what all of them had is forgotten.

    Attributes:
        begin: the first byte that is not on the disk.
        start: the first byte that is still here.
        failure: what the disk said.
    """

    def __init__(self, begin: int, failure: StoreError, slowest: Callable[[], int | None]) -> None:
        """Begin with nothing.

        Args:
            begin: offset of the first byte that will be added.
            failure: what the disk said.
            slowest: tells how far the slowest reader is; None when there is none.
        """
        self.begin = self.start = begin
        self.failure = failure
        self._slowest = slowest
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._taken = asyncio.Event()

    async def add(self, data: bytes | memoryview) -> None:
        """Add the next bytes, once there is room for them.

        Raises:
            StoreError: there is none, and nobody reads.
        """
        while self._pieces and self._bytes + len(data) > WINDOW_BYTES:
            self._taken.clear()
            slowest = self._slowest()
            if slowest is None:
                raise self.failure
            if self.start + len(self._pieces[0]) <= slowest:
                self._forget()
            else:
                await self._taken.wait()
        self._pieces.append(bytes(data))
        self._bytes += len(data)

    def taken(self) -> None:
        """Note that a reader has got on, or has left."""
        self._taken.set()

    def at(self, start: int, stop: int) -> bytes:
        """Give the next of the bytes [start, stop), all of which have come.

        Raises:
            StoreError: they are forgotten.
        """
        if start < self.start:
            raise self.failure
        begin = self.start
        for piece in self._pieces:
            if start < begin + len(piece):
                return piece[start - begin : stop - begin]
            begin += len(piece)
        return b""

    def _forget(self) -> None:
        piece = self._pieces.popleft()
        self.start += len(piece)
        self._bytes -= len(piece)
