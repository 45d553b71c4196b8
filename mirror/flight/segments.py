"""A large file in several ranges at once: each is continued where it breaks, and none is glued to another file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from mirror.errors import Conflict, Unreachable
from mirror.flight.spool import ended
from mirror.ports import Upstream

MIB = 1024 * 1024

Keep = Callable[[bytes | memoryview, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """From when on a file is divided, and how."""

    from_bytes: int = 64 * MIB
    """A file of which less than this is missing comes in one stream."""
    segment_bytes: int = 16 * MIB
    connections: int = 4
    """Segments of one file that are asked for at one time; 1: no file is divided."""
    watch_seconds: float = 0.25
    """What it takes of waiting for one stream until it is found slow, and the rest is divided; 0: a file is divided at once."""
    fast_bytes_per_second: int = 200 * MIB
    """A stream that brings so much leaves nothing to gain: to write and to hash it takes as long."""


DIVISION = Division()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What the segments of one file have in common."""

    upstream: Upstream
    url: str
    size: int
    validator: str
    """A strong entity tag: each answer must have it."""
    resume_pauses_seconds: tuple[float, ...]


class Segments:
    """The bytes of a file from an offset to its end, in segments that are written to the spool in any order.

    Attributes:
        received: bytes that came over the wire.
    """

    def __init__(self, whole: Whole, division: Division, keep: Keep, start: int, stop: int) -> None:
        """Prepare segments.

        Args:
            whole: what they are of.
            division: how long they are, and how many come at one time.
            keep: writes bytes at an offset, in a thread; what is written in order may be hashed there, too.
            start: offset of the first segment.
            stop: offset after the first segment, whose body is there; the others follow at regular distances.
        """
        self.received = 0
        self._whole = whole
        self._division = division
        self._keep = keep
        self._stop = stop
        self._reached = [start, *range(stop, whole.size, division.segment_bytes)]
        """Of each segment: the offset up to which it is in the spool."""
        self._moved = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def fetched(
        self, first: AsyncIterator[bytes | memoryview], close: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Fetch during the block; when it ends nothing is written any more.

        Args:
            first: chunks that begin with the first segment, and may go on beyond it.
            close: gives its connection back, as soon as the segment is there.
        """
        self._fetching = asyncio.create_task(self._fetch(first, close))
        self._fetching.add_done_callback(lambda _: self._moved.set())
        try:
            yield
        finally:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def beyond(self, at: int) -> int:
        """Wait until the file is in the spool without a hole for more than `at` bytes, and tell for how many.

        Raises:
            Conflict: an answer was not of this file.
            Corrupt, FileNotFound, Refused, UpstreamError: a segment could not be had.
            StoreError: the disk failed.
        """
        while (end := self._unbroken(at)) <= at:
            if self._fetching is not None and self._fetching.done():
                self._fetching.result()
            self._moved.clear()
            await self._moved.wait()
        return end

    def _unbroken(self, at: int) -> int:
        number = 0 if at < self._stop else 1 + (at - self._stop) // self._division.segment_bytes
        while number < len(self._reached) and self._reached[number] == self._end(number):
            number += 1
        return self._reached[number] if number < len(self._reached) else self._whole.size

    def _end(self, number: int) -> int:
        return min(self._stop + number * self._division.segment_bytes, self._whole.size)

    async def _fetch(
        self, first: AsyncIterator[bytes | memoryview], close: Callable[[], Awaitable[None]]
    ) -> None:
        rest = iter(range(1, len(self._reached)))

        async def one_after_another() -> None:
            for number in rest:
                await self._bring(number)

        async def first_of_all() -> None:
            try:
                await self._take(0, first)
            except Unreachable:
                await close()
                await self._bring(0)
            else:
                await close()
            await one_after_another()

        others = [one_after_another() for _ in range(self._division.connections - 1)]
        tasks = [asyncio.create_task(work) for work in (first_of_all(), *others)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _bring(self, number: int) -> None:
        """Ask for what is missing of a segment, and again where it broke."""
        for pause in (*self._whole.resume_pauses_seconds, None):
            try:
                await self._ask(number)
            except Unreachable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _ask(self, number: int) -> None:
        whole, at = self._whole, self._reached[number]
        async with whole.upstream.open_file(
            whole.url, start=at, stop=self._end(number), validator=whole.validator
        ) as body:
            if (body.start, body.total, body.validator) != (at, whole.size, whole.validator):
                raise Conflict("An answer was not a part of the file that is being downloaded.")
            await self._take(number, body.chunks())

    async def _take(self, number: int, chunks: AsyncIterator[bytes | memoryview]) -> None:
        """Write what comes of a segment, and nothing beyond it."""
        end = self._end(number)
        async for chunk in chunks:
            self.received += len(chunk)
            at = self._reached[number]
            part = chunk[: end - at]
            # To its end, whatever happens: it must not come after what is written there later.
            await ended(partial(self._keep, part, at))
            self._reached[number] = at + len(part)
            self._moved.set()
            if len(part) < len(chunk):
                return
        if self._reached[number] < end:
            name = self._whole.upstream.name
            raise Unreachable(name, f"A part of a file from {name} ended before its end: ask again.")
