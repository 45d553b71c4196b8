"""Room for exchanges: with one upstream, and within that with all of them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self


class Slots:
    """So many exchanges at one time, of which files take at most three quarters: pages always find a way through."""

    def __init__(self, connections: int, within: Self | None = None) -> None:
        """Make room.

        Args:
            connections: exchanges under way at one time.
            within: room that these have to share with others; None: they share it with nobody.
        """
        self._all = asyncio.Semaphore(connections)
        self._files = asyncio.Semaphore(max(1, connections - max(1, connections // 4)))
        self._within = within

    @asynccontextmanager
    async def document(self) -> AsyncIterator[None]:
        """Take a place for a page, a list or metadata, once there is one."""
        async with self._all:
            if self._within is None:
                yield
            else:
                async with self._within.document():
                    yield

    @asynccontextmanager
    async def file(self) -> AsyncIterator[None]:
        """Take a place for a file or a part of it, once there is one that files may take."""
        async with self._files, self._all:
            if self._within is None:
                yield
            else:
                async with self._within.file():
                    yield
