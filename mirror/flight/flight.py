"""One download, many readers: each reads the growing spool at its own pace, and the last bytes only when they are proved."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from mirror.errors import StoreError
from mirror.flight.download import Download, Origin
from mirror.flight.spool import Spool, Stretch, ended
from mirror.model import HeldFile
from mirror.names import Sha256

HOLD_BACK_BYTES = 64 * 1024
"""The end of a file that nobody is given before the whole of it is proved: who lacks it knows the file is not complete."""
FIRST_STRETCH_BYTES = 64 * 1024
"""What a reader is given first: in a herd nobody waits for his first byte until others have had a megabyte."""
STRETCH_BYTES = 1024 * 1024
"""What a reader is given at one time, and for how many new bytes those who wait for more are woken at once."""
WAKE_SECONDS = 0.01
"""How long those who wait for more wait at most, once there is less than that."""

Find = Callable[[], Awaitable[HeldFile | None]]
Land = Callable[[Path, Sha256, int], Awaitable[HeldFile]]
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
        error: why the flight has failed, once it has.
    """

    def __init__(self, origin: Origin, spool: Path, *, find: Find, land: Land, settle: Settle) -> None:
        """Prepare a flight.

        Args:
            origin: where the file comes from.
            spool: a path where there is no file yet; there is none again when the flight has ended.
            find: gives the file when it is held already; asked first, since it may have landed since it was missed.
            land: keeps the proved file: its path, digest and size.
            settle: what else has to be done with a file that has landed, before the flight's key is free again; those
                who wait for the file do not wait for it.
        """
        self.origin = origin
        self.tag = new_tag()
        self.held: HeldFile | None = None
        self.error: BaseException | None = None
        self._find = find
        self._land = land
        self._settle = settle
        self._path = spool
        self._spool = Spool(spool, writing=True)
        self._places: dict[object, int] = {}
        """Up to where each reader has what it was given."""
        self._download = Download(
            origin,
            self._spool,
            moved=self._grow,
            unread=lambda: self._given == 0,
            slowest=lambda: min(self._places.values(), default=None),
        )
        self._proved = False
        self._moved = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._woken_at = 0
        self._given = 0
        """Up to this offset some reader was given bytes."""

    @property
    def size(self) -> int | None:
        """Of the whole file in bytes, where it is known; it does not change once the flight is `opened`."""
        return self._download.size if self.held is None else self.held.size

    @property
    def received(self) -> int:
        """Bytes that came from the upstream."""
        return self._download.received

    @property
    def released(self) -> int:
        """How many bytes of the file, from its start, may be given now."""
        if self.held is not None:
            return self.held.size
        written = self._download.written
        if self._proved:
            return written
        size = self._download.size
        return max(0, min(written, (written if size is None else size) - HOLD_BACK_BYTES))

    @property
    def joinable(self) -> bool:
        """Whether a reader that comes now can be given the file from its first byte."""
        overflow = self._download.overflow
        return overflow is None or overflow.start == overflow.begin

    @property
    def proved(self) -> bool:
        """Whether the whole file is right, and may be given."""
        return self._proved

    async def opened(self) -> None:
        """Wait until the upstream has begun to give the file.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: it will not come.
        """
        while not self._proved:
            self._raise_failure()
            if self._download.answered:
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
                overflow = self._download.overflow
                if overflow is not None and start >= overflow.begin:
                    chunk: bytes | Stretch = overflow.at(start, end)
                else:
                    spool = spool or self._shared(await self.landed() if self._spool.holders == 0 else None)
                    await spool.opened()
                    chunk = Stretch(
                        spool, start, (end if overflow is None else min(end, overflow.begin)) - start
                    )
                self._given = max(self._given, start + len(chunk))
                yield chunk
                start, most = start + len(chunk), STRETCH_BYTES
                self._places[reader] = start
                if overflow is not None:
                    overflow.taken()
        finally:
            del self._places[reader]
            if self._download.overflow is not None:
                self._download.overflow.taken()
            if spool is not None:
                await spool.drop()

    def _shared(self, held: HeldFile | None) -> Spool:
        """Hold the file that all readers share, opened anew when it has landed and nobody has it open."""
        if held is not None:
            self._spool = Spool(held.path)
        self._spool.hold()
        return self._spool

    async def run(self) -> None:
        """Download, prove and keep the file; `fail` must be called with what this raises.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: nothing was kept.
        """
        held = await self._find()
        if held is not None:
            self._arrive(held)
            return
        self._spool.hold()
        try:
            await self._download.run()
            proof, overflow = self._download.proof, self._download.overflow
            if overflow is not None and not self.origin.promise.proves_bytes:
                raise overflow.failure  # without a digest the archive has to be read, and it is not there
            await proof.check(self._path)
            self._proved = True
            self._wake()
            if overflow is not None:
                raise overflow.failure
            held = await self._land(self._path, proof.sha256, self._download.written)
            self._arrive(held)
        finally:
            try:
                with suppress(StoreError):  # the next start sweeps what could not be removed now
                    await ended(self._spool.remove)
            finally:
                await self._spool.drop()
        await self._settle(held)

    def fail(self, error: BaseException) -> None:
        """End the flight for all who wait for it. Readers of proved bytes get them all the same."""
        self.error = error
        self._wake()

    async def _reach(self, start: int, stop: int | None) -> int:
        """Wait until there are bytes to give from `start` on, and tell where they end; `start` or less: there are no more."""
        while True:
            if not self._proved:
                self._raise_failure()
            end = self.released if stop is None else min(stop, self.released)
            if end > start or self._proved or (stop is not None and stop <= start):
                return end
            await self._moved.wait()

    def _arrive(self, held: HeldFile) -> None:
        self.held, self._proved = held, True
        self._wake()

    def _raise_failure(self) -> None:
        if self.error is not None:
            raise self.error.with_traceback(None)

    def _grow(self) -> None:
        """Wake those who wait, not all of them for every small piece."""
        if not self._woken_at or self.released - self._woken_at >= STRETCH_BYTES:
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
