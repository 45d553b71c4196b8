"""The download of a flight: one file into the spool, continued where its body breaks, never glued to another file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from mirror.errors import Conflict, Corrupt, NotFound, Refused, StoreError, Unreachable, UpstreamError
from mirror.flight.origin import Origin
from mirror.flight.overflow import Overflow
from mirror.flight.pace import Pace
from mirror.flight.proof import Proof, Repetition
from mirror.flight.segments import Segments, Whole
from mirror.flight.spool import Spool
from mirror.ports import Body

READ_BACK_BYTES = 1024 * 1024
"""What is read back from the spool at one time to be hashed, where it was not written in order."""
MOST_TAKEN_ALONG_BYTES = 1024 * 1024
"""When the disk is full after so few bytes, the whole file goes through memory, also for who comes a moment later."""


class Download:
    """Bytes from an upstream into a spool, in order, hashed as they come.

    Attributes:
        size: of the whole file in bytes, where it is known; it does not change once `answered`.
        written: bytes that are in the spool, from its start and without a hole, or went beyond it into `overflow`.
        overflow: where the bytes go that the disk did not take, once there are any.
        answered: whether the upstream has begun to give the file.
        proof: the digests of what is written.
    """

    def __init__(
        self,
        origin: Origin,
        spool: Spool,
        *,
        moved: Callable[[], None],
        unread: Callable[[], bool],
        slowest: Callable[[], int | None],
    ) -> None:
        """Prepare a download.

        Args:
            origin: where from.
            spool: where to.
            moved: called when `answered` or `written` has changed.
            unread: tells that nobody was given a byte yet, so that the file may be begun again.
            slowest: tells how far the slowest reader is; None when there is none.
        """
        self.size = origin.promise.size
        self.written = 0
        self.answered = False
        self.overflow: Overflow | None = None
        self.proof = Proof(origin.promise)
        self._origin = origin
        self._spool = spool
        self._moved = moved
        self._unread = unread
        self._slowest = slowest
        self._streamed = 0
        self._segments: Segments | None = None
        """Once there are some, all that is missing when they fail comes in one stream."""
        self._dividable = origin.division.connections > 1
        self._pace = Pace(
            watch_seconds=origin.division.watch_seconds,
            fast_bytes_per_second=origin.division.fast_bytes_per_second,
            monotonic=origin.monotonic,
        )
        self._validator: str | None = None
        self._continuable = False
        """Whether bytes may be asked for from the middle: what tells another file's bytes is known."""

    @property
    def validator(self) -> str | None:
        """What `If-Range` takes to continue this very file."""
        return self._validator

    @property
    def received(self) -> int:
        """Bytes that came over the wire, repetitions included."""
        return self._streamed + (0 if self._segments is None else self._segments.received)

    async def inherit(self, spool: Spool, *, written: int, size: int | None, validator: str | None) -> None:
        """Begin with what another process had when it died; its bytes are hashed anew, and continued like one's own.

        Args:
            spool: its growing file.
            written: bytes that are there, from the start and without a hole.
            size: bytes of the whole file, where the upstream told.
            validator: what `If-Range` takes to continue it.

        Raises:
            StoreError: the disk failed, and nobody reads who could be given the rest.
        """
        self.size = size if self.size is None else self.size
        self._validator = validator
        self._continuable = validator is not None or self._origin.promise.proves_bytes
        self.answered = True
        await self._open()
        while self.written < written:
            part = min(READ_BACK_BYTES, written - self.written)
            await self._append(await asyncio.to_thread(spool.read, part, self.written))

    async def run(self) -> None:
        """Bring the whole file, of the size that was promised.

        Raises:
            Corrupt: its size is not what was promised.
            FileNotFound, Refused, UpstreamError: it could not be had, or changed under way.
            StoreError: the disk failed, and nobody reads who could be given the rest.
        """
        self._judge_size(self.size)
        try:
            for pause in (*self._origin.resume_pauses_seconds, None):
                try:
                    while not (self._is_whole or await self._pull()):
                        pass
                except Unreachable:
                    if not self.answered or pause is None:
                        raise
                    await asyncio.sleep(pause)
                else:
                    return
        except Conflict as error:
            raise self._broken("changed on the upstream while it was downloaded") from error

    @property
    def _is_whole(self) -> bool:
        return self.answered and self.written == self.size

    async def _pull(self) -> bool:
        """Ask for what is missing, and take all that comes; False: go on, that was but a part."""
        origin, at = self._origin, self.written if self._continuable else 0
        validator = self._validator if at else None
        stop = at + origin.division.segment_bytes if self._divides(at) else None
        async with AsyncExitStack() as stack:
            body = await stack.enter_async_context(
                origin.upstream.open_file(origin.url, start=at, stop=stop, validator=validator)
            )
            self._admit(body, at)
            await self._open()
            if body.start < self.written and self._unread():
                await self._restart(body)
            self._dividable = body.ranges and body.start == self.written and self._divides(at)
            chunks, repetition = body.chunks(), Repetition(self.proof, self.written - body.start)
            end = stop if self._dividable else None  # what goes beyond a segment is not taken
            while not (self._dividable and self._pace.is_slow and self.written != self.size):
                chunk = await self._pace.next(chunks)
                if chunk is None or self.written == end:
                    break
                self._streamed += len(chunk)
                new = await repetition.drop(chunk)
                await self._append(new if end is None else new[: end - self.written])
            else:
                return await self._pull_segments(chunks, stop, stack.aclose)
            repetition.check_done()
        if stop is not None and self.written == stop:
            self._dividable = self._dividable and not self._pace.is_fast
            return False
        if self.size is not None and self.written < self.size:
            raise self._broken("ended before its end")
        if self.size is None and not (body.delimited or self._origin.promise.proves_bytes):
            raise self._broken(
                "came without a length and without a digest, so nobody can tell whether it is whole"
            )
        return True

    def _divides(self, at: int) -> bool:
        """Tell whether what is missing is worth several connections."""
        if not self._dividable or self.size is None or self.overflow is not None:
            return False
        if self.answered and not (self._validator or "").startswith('"'):
            return False  # without a strong tag nobody can tell what a part is of
        return self.size - at >= self._origin.division.from_bytes

    async def _pull_segments(
        self, first: AsyncIterator[bytes | memoryview], stop: int | None, close: Callable[[], Awaitable[None]]
    ) -> bool:
        """Take the rest in segments, hashed as it becomes whole from the start on; False: as far as that went.

        Args:
            first: the chunks that come next.
            stop: the offset after the last of them, where it was asked for.
            close: gives their connection back.
        """
        origin, size = self._origin, self.size or 0
        self._dividable = False
        whole = Whole(
            upstream=origin.upstream,
            url=origin.url,
            size=size,
            validator=self._validator or "",
            resume_pauses_seconds=origin.resume_pauses_seconds,
        )
        stop = min(size, stop or self.written + origin.division.segment_bytes)
        self._segments = segments = Segments(whole, origin.division, self._keep, self.written, stop)
        async with segments.fetched(first, close):
            try:
                while self.written < size:
                    end = await segments.beyond(self.written)
                    if end > self.written:
                        await asyncio.to_thread(self._hash_back, min(end, self.written + READ_BACK_BYTES))
                    self._moved()
            except (Conflict, Corrupt, NotFound, Refused, UpstreamError, StoreError):
                return False  # one stream is judged by what it is answered, and goes on beyond a full disk
        return True

    def _admit(self, body: Body, at: int) -> None:
        """Judge an answer before its first byte is taken: it must be the file that is being downloaded."""
        if body.start not in {0, at}:
            raise self._broken("was answered with another range than was asked for")
        if not self.answered:
            if self.size is not None and body.total not in {None, self.size}:
                raise Corrupt(
                    f"{self._filename} has {body.total} bytes on the upstream, the index promised {self.size}."
                )
            self._judge_size(body.total)
            self.size = body.total if self.size is None else self.size
            self._validate_by(body)
            self.answered = True
            self._moved()
        if self.size is not None and body.total not in {None, self.size}:
            raise Conflict("The file has another size now.")
        if body.start and body.validator is not None and body.validator != self._validator:
            self._continuable = False
            raise self._broken("may have changed on the upstream")

    def _validate_by(self, body: Body) -> None:
        """Note how this very file is continued: by its validator, or by the digest that was promised."""
        self._validator = body.validator
        self._continuable = body.validator is not None or self._origin.promise.proves_bytes

    async def _open(self) -> None:
        if self.overflow is None:
            try:
                await self._spool.opened()
            except StoreError as failure:
                self.overflow = Overflow(self.written, failure, self._slowest)

    async def _restart(self, body: Body) -> None:
        """Begin the file again: nobody has seen what was here."""
        self.written = 0
        self.proof = Proof(self._origin.promise)
        self._validate_by(body)
        if self.overflow is None:
            await asyncio.to_thread(self._spool.renew)
        else:
            self.overflow = Overflow(0, self.overflow.failure, self._slowest)

    async def _append(self, data: bytes | memoryview) -> None:
        """Write and hash the next bytes, unless they are more than there may be."""
        end = self.written + len(data)
        if self.size is not None and end > self.size:
            raise Corrupt(f"{self._filename} is longer than the {self.size} bytes that were promised.")
        self._judge_size(end)
        if not data:
            return
        if self.overflow is None:
            try:
                await asyncio.to_thread(self._keep, data, self.written)
            except StoreError as failure:
                await self._overflow(failure)
        if self.overflow is not None:
            await self.overflow.add(data)
            await asyncio.to_thread(self.proof.add, data)
            self.written = end
        self._moved()

    def _keep(self, data: bytes | memoryview, at: int) -> None:
        """Write bytes, and hash them where they are the next; others are read back when their turn comes.

        Nobody hashes at the same time: what is read back is in the spool, and what is the next is not.
        """
        self._spool.write(data, at)
        if at == self.written:
            self.proof.add(data)
            self.written = at + len(data)  # here, since who waits may be cancelled meanwhile

    def _hash_back(self, end: int) -> None:
        self.proof.add(self._spool.read(end - self.written, self.written))
        self.written = end

    async def _overflow(self, failure: StoreError) -> None:
        """Go on without the disk; of what is there already nothing is needed any more when it is little."""
        self._dividable = False
        begin, head = self.written, b""
        if begin <= MOST_TAKEN_ALONG_BYTES:
            begin, head = 0, await asyncio.to_thread(self._spool.read, begin, 0) if begin else b""
        self.overflow = Overflow(begin, failure, self._slowest)
        await self.overflow.add(head)

    def _judge_size(self, size: int | None) -> None:
        if size is not None and size > self._origin.max_bytes:
            raise Refused(
                f"{self._filename} is larger than {self._origin.max_bytes} bytes:"
                " raise max_file_bytes in the limits to allow it."
            )

    def _broken(self, what: str) -> Unreachable:
        name = self._origin.upstream.name
        return Unreachable(name, f"{self._filename} from {name} {what}: ask again.")

    @property
    def _filename(self) -> str:
        return self._origin.promise.filename
