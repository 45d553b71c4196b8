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
        self._download = Download(origin, self._spool, moved=self._grow, unread=lambda: self._given == 0)
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

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[Stretch]:
        """Give bytes [start, stop) of the file as they come, from the disk; each stretch is good until the next is asked for.

        Raises:
            Corrupt: the bytes are not what was promised; what came before must be thrown away.
            UpstreamError, StoreError: the download broke.
        """
        end = await self._reach(start, stop)
        if end <= start:
            return
        if not self._spool.holders:
            self._spool = Spool((await self.landed()).path)
        spool = self._spool
        spool.hold()
        try:
            await spool.opened()
            most = FIRST_STRETCH_BYTES
            while end > start:
                size = min(end - start, most)
                self._given = max(self._given, start + size)
                yield Stretch(spool, start, size)
                start, most = start + size, STRETCH_BYTES
                end = await self._reach(start, stop)
        finally:
            await spool.drop()

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
            proof = self._download.proof
            await proof.check(self._path)
            self._proved = True
            self._wake()
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
