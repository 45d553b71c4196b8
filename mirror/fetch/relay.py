"""A part of a large file that is not held, straight from the upstream to one reader."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Self

from mirror.errors import Corrupt, Unreachable
from mirror.flight import new_tag
from mirror.ports import Body, Upstream

UNREAD_SECONDS = 60
"""So long a relay waits for its reader to begin; then the upstream's connection is given back."""


class Relay:
    """Unverified bytes [start, stop) of a file. It fulfils `mirror.ports.Arriving`, and can be read once.

    Attributes:
        size: of the whole file in bytes.
        tag: an entity tag of this stream alone.
    """

    def __init__(
        self, upstream: str, body: Body, stack: AsyncExitStack, *, stop: int, size: int, unread: "set[Relay]"
    ) -> None:
        self.size: int | None = size
        self.tag = new_tag()
        self._upstream = upstream
        self._body = body
        self._stack = stack
        self._stop = stop
        self._unread = unread
        self._unread.add(self)
        self._watch = asyncio.get_running_loop().call_later(UNREAD_SECONDS, self._give_up)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, upstream: Upstream, url: str, *, start: int, stop: int, size: int, unread: "set[Relay]"
    ) -> Self | None:
        """Ask for a part; None when the upstream gives the whole file instead.

        Args:
            upstream: whom to ask.
            url: the file's.
            start: offset of the first byte.
            stop: offset after the last.
            size: bytes of the whole file.
            unread: holds the relay until its reader begins; who owns the set closes what is left in it.

        Raises:
            Corrupt: the file has another size.
            FileNotFound, Refused, UpstreamError: as `Upstream.open_file`.
        """
        stack = AsyncExitStack()
        try:
            body = await stack.enter_async_context(upstream.open_file(url, start=start, stop=stop))
            if body.start != start:
                return None
            if body.total not in {None, size}:
                raise Corrupt(f"A file has {body.total} bytes on {upstream.name}, but {size} were promised.")
            return cls(upstream.name, body, stack.pop_all(), stop=stop, size=size, unread=unread)
        finally:
            await stack.aclose()  # nothing, once the relay has taken it over

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Give those of the bytes [start, stop) of the file that this part has.

        Raises:
            UpstreamError: the upstream broke off.
        """
        self._begin()
        end = self._stop if stop is None else min(stop, self._stop)
        at = self._body.start
        try:
            async for chunk in self._body.chunks():
                part = bytes(chunk[max(0, start - at) : max(0, end - at)])
                at += len(chunk)
                if part:
                    yield part
                if at >= end:
                    return
            raise Unreachable(
                self._upstream, f"{self._upstream} broke off in the middle of a file: ask again."
            )
        finally:
            await self._stack.aclose()

    async def aclose(self) -> None:
        """Give the upstream's connection back."""
        self._begin()
        await self._stack.aclose()

    def _begin(self) -> None:
        self._watch.cancel()
        self._unread.discard(self)

    def _give_up(self) -> None:
        self._closing = asyncio.create_task(self.aclose())
