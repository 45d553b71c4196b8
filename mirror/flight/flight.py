"""One download, many readers: each reads the growing spool at its own pace, and the last bytes only when they are proved."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from mirror.errors import StoreError
from mirror.flight.board import LATEST_SECONDS, Board
from mirror.flight.following import Following
from mirror.flight.leading import Land, Leading
from mirror.flight.origin import Origin
from mirror.flight.spool import Relieve, Spool, Stretch, ended
from mirror.model import HeldFile
from mirror.names import Sha256

HOLD_BACK_BYTES = 64 * 1024
"""The end of a file that nobody is given before the whole of it is proved: who lacks it knows the file is not complete."""
FIRST_STRETCH_BYTES = 64 * 1024
"""What a reader is given first: in a herd nobody waits for his first byte until others have had a megabyte."""
STRETCH_BYTES = 1024 * 1024
"""What a reader is given at one time, and for how many new bytes those who wait for more are woken at once."""
WAKE_SECONDS = 0.01
"""How long those who wait wait at most, once there is less than that, or an answer without a byte."""

Find = Callable[[Sha256 | None], Awaitable[HeldFile | None]]
Settle = Callable[[HeldFile], Awaitable[None]]


def new_tag() -> str:
    """Make an entity tag for one stream of unverified bytes; no verified file has it, so nothing is glued to it."""
    return f"u-{secrets.token_hex(8)}"


class Flight:
    """A file on its way. It fulfils `mirror.ports.Arriving`; whoever started it calls `run` once, in a task of its own.

    Attributes:
        origin: where the file comes from.
        tag: an entity tag of this stream alone.
        held: the file, once it has landed.
        followed: whether another process has fetched it.
        error: why the flight has failed, once it has.
    """

    def __init__(
        self,
        origin: Origin,
        spool: Path,
        *,
        board: Path,
        relieve: Relieve,
        find: Find,
        land: Land,
        settle: Settle,
    ) -> None:
        """Prepare a flight.

        Args:
            origin: where the file comes from.
            spool: a path where there is no file yet; there is none again when the flight has ended.
            board: a path that every process which may fetch this file makes of it: one of them does, and tells there.
            relieve: makes room when the disk is full.
            find: gives the file when it is held already, by the digest that it turned out to have, or that it must
                have; asked first, since it may have landed since it was missed.
            land: keeps the proved file: its path, digest and size.
            settle: what else has to be done with a file that has landed, before the flight's key is free again; those
                who wait for the file do not wait for it.
        """
        self.origin = origin
        self.tag = new_tag()
        self.held: HeldFile | None = None
        self.followed = False
        self.error: BaseException | None = None
        self._find = find
        self._settle = settle
        self._places: dict[object, int] = {}
        """Up to where each reader has what it was given."""
        self._given = 0
        """Up to this offset some reader was given bytes."""
        self._board = Board(board)
        self._leading = Leading(
            origin,
            spool,
            self._board,
            relieve=relieve,
            land=land,
            moved=self._grow,
            unread=lambda: self._given == 0,
            slowest=lambda: min(self._places.values(), default=None),
        )
        self._following = Following(
            self._board, upstream=origin.upstream.name, moved=self._grow, given=lambda: self._given
        )
        self._coming: Leading | Following = self._leading
        """Whose bytes are given: this process's own, or another's."""
        self._landed: Spool | None = None
        """The file that has landed, once it had to be opened anew."""
        self._moved = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._woken_at = 0

    @property
    def size(self) -> int | None:
        """Of the whole file in bytes, where it is known; it does not change once the flight is `opened`."""
        return self._coming.size if self.held is None else self.held.size

    @property
    def received(self) -> int:
        """Bytes that came from the upstream."""
        return self._coming.received

    @property
    def released(self) -> int:
        """How many bytes of the file, from its start, may be given now."""
        if self.held is not None:
            return self.held.size
        written = self._coming.written
        if self._coming.proved:
            return written
        size = self._coming.size
        return max(0, min(written, (written if size is None else size) - HOLD_BACK_BYTES))

    @property
    def joinable(self) -> bool:
        """Whether a reader that comes now can be given the file from its first byte."""
        overflow = self._coming.overflow
        return overflow is None or overflow.start == overflow.begin

    @property
    def proved(self) -> bool:
        """Whether the whole file is right, and may be given."""
        return self.held is not None or self._coming.proved

    async def opened(self) -> None:
        """Wait until the upstream has begun to give the file.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: it will not come.
        """
        while not self.proved:
            self._raise_failure()
            if self._coming.answered:
                return
            await self._moved.wait()

    async def landed(self) -> HeldFile:
        """Wait for the verified file.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: it will not come.
        """
        while self.held is None:
            self._raise_failure()
            await self._moved.wait()
        return self.held

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes | Stretch]:
        """Give bytes [start, stop) of the file as they come; a stretch of the disk is good until the next chunk is asked for.

        Raises:
            Corrupt: the bytes are not what was promised; what came before must be thrown away.
            UpstreamError, StoreError: the download broke.
        """
        spool: Spool | None = None
        reader, most = object(), FIRST_STRETCH_BYTES
        self._places[reader] = start
        try:
            while (end := await self._reach(start, stop)) > start:
                end = min(end, start + most)
                overflow = self._coming.overflow
                if overflow is not None and start >= overflow.begin:
                    chunk: bytes | Stretch = overflow.at(start, end)
                elif spool is not None and spool is self._shared:
                    end = end if overflow is None else min(end, overflow.begin)
                    chunk = Stretch(spool, start, end - start)
                else:
                    before, spool = spool, self._hold()
                    if before is not None:
                        await before.drop()
                    try:
                        await spool.opened()
                    except StoreError:
                        await self._ended()
                        raise
                    continue  # meanwhile another file may have taken its place, of which less is there
                self._given = max(self._given, start + len(chunk))
                yield chunk
                start, most = start + len(chunk), STRETCH_BYTES
                self._places[reader] = start
                if overflow is not None:
                    overflow.taken()
        finally:
            del self._places[reader]
            if self._coming.overflow is not None:
                self._coming.overflow.taken()
            if spool is not None:
                await spool.drop()

    async def run(self) -> None:
        """Fetch, prove and keep the file, or follow the process that does; `fail` must be called with what this raises.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: nothing was kept.
        """
        try:
            while not await asyncio.to_thread(self._board.claim):
                if await self._follow():
                    return
            held = await self._find(None)
            if held is None:
                self._coming = self._leading
                await self._settle(await self._leading.run(self._following, self._arrive))
            else:
                self._arrive(held)
        finally:
            try:
                await ended(self._board.close)
            finally:
                await self._following.close()

    async def _follow(self) -> bool:
        """Follow the process that fetches the file until it is here; False: it may have to be fetched all the same."""
        self._coming = self._following
        landed = await self._following.run()
        if landed is None:
            return False
        held = await self._find(landed.sha256)
        if held is None or not await self._following.turn_to(held.path, held.size):
            await asyncio.sleep(LATEST_SECONDS)  # removed already; whoever led is about to leave
            return False
        self.followed = True
        self._arrive(held)
        return True

    @property
    def _shared(self) -> Spool | None:
        """The open file that all readers share."""
        return self._landed or self._coming.spool

    def _hold(self) -> Spool:
        """Hold the file that all readers share, opened anew when it has landed and nobody has it open."""
        spool = self._shared
        if self.held is not None and (spool is None or not spool.holders):
            spool = self._landed = Spool(self.held.path)
        if spool is None:
            raise StoreError("A file of the cache was closed while it was in use.")
        spool.hold()
        return spool

    def fail(self, error: BaseException) -> None:
        """End the flight for all who wait for it. Readers of proved bytes get them all the same."""
        self.error = error
        self._wake()

    async def _reach(self, start: int, stop: int | None) -> int:
        """Wait until there are bytes to give from `start` on, and tell where they end; `start` or less: there are no more."""
        while True:
            if not self.proved:
                self._raise_failure()
            end = self.released if stop is None else min(stop, self.released)
            if end > start or self.proved or (stop is not None and stop <= start):
                return end
            await self._moved.wait()

    def _arrive(self, held: HeldFile) -> None:
        self.held = held
        self._wake()

    async def _ended(self) -> None:
        """Wait for the end of the flight, and raise its failure: that is why its file was closed."""
        while self.error is None and self.held is None:
            await self._moved.wait()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self.error is not None:
            raise self.error.with_traceback(None)

    def _grow(self) -> None:
        """Wake those who wait, not all of them for every small piece, and once for the answer and its first bytes."""
        begins = self.released > 0 and not self._woken_at
        if begins or self._coming.proved or self.released - self._woken_at >= STRETCH_BYTES:
            self._wake()
        elif self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(WAKE_SECONDS, self._wake)

    def _wake(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._woken_at = self.released
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
