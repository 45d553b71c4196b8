"""A download of this process's own: fetched, proved and kept, and told to the processes that follow it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from mirror.errors import StoreError, WheelkeepError
from mirror.flight.board import Board, Failed, Landed, Progress
from mirror.flight.download import Download
from mirror.flight.following import Following
from mirror.flight.origin import Origin
from mirror.flight.overflow import Overflow
from mirror.flight.spool import Relieve, Spool, ended
from mirror.model import HeldFile
from mirror.names import Sha256

Land = Callable[[Path, Sha256, int], Awaitable[HeldFile]]


class Leading:
    """One file on its way into the cache, with the same face as `Following`.

    Attributes:
        spool: the growing file.
        proved: whether all bytes are there and right.
    """

    def __init__(
        self,
        origin: Origin,
        path: Path,
        board: Board,
        *,
        relieve: Relieve,
        land: Land,
        moved: Callable[[], None],
        unread: Callable[[], bool],
        slowest: Callable[[], int | None],
    ) -> None:
        """Prepare a download.

        Args:
            origin: where the file comes from.
            path: of the growing file; there is none again when `run` has ended.
            board: where other processes are told.
            relieve: makes room when the disk is full.
            land: keeps the proved file: its path, digest and size.
            moved: called when there is more, or when all of it is proved.
            unread: as for `Download`.
            slowest: as for `Download`.
        """
        self.spool = Spool(path, writing=True, relieve=relieve)
        self.proved = False
        self._origin = origin
        self._path = path
        self._board = board
        self._land = land
        self._moved = moved
        self._news = asyncio.Event()
        self._download = Download(origin, self.spool, moved=self._tell, unread=unread, slowest=slowest)

    @property
    def size(self) -> int | None:
        """Of the whole file in bytes, where it is known; it does not change once `answered`."""
        return self._download.size

    @property
    def written(self) -> int:
        """Bytes that are there, from the start of the file and without a hole."""
        return self._download.written

    @property
    def answered(self) -> bool:
        """Whether the upstream has begun to give the file."""
        return self._download.answered

    @property
    def overflow(self) -> Overflow | None:
        """Where the bytes go that the disk did not take, once there are any."""
        return self._download.overflow

    @property
    def received(self) -> int:
        """Bytes that came over the wire, repetitions included."""
        return self._download.received

    async def run(self, before: Following, arrive: Callable[[HeldFile], None]) -> HeldFile:
        """Fetch, prove and keep the file; `proved` bytes may be given although they could not be kept.

        Args:
            before: the process that was followed until it died; what it has left is not asked for again.
            arrive: called with the file before others are told.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: nothing was kept.
        """
        self.spool.hold()
        try:
            async with self._announced():
                if before.spool is not None:
                    await self._download.inherit(
                        before.spool, written=before.written, size=before.size, validator=before.validator
                    )
                held = await self._fetch()
            arrive(held)
            await self._announce(Landed(held.sha256))
        except WheelkeepError as error:
            await self._announce(Failed.of(error))
            raise
        finally:
            try:
                with suppress(StoreError):  # the next start sweeps what could not be removed now
                    await ended(self.spool.remove)
            finally:
                await self.spool.drop()
        return held

    async def _fetch(self) -> HeldFile:
        download = self._download
        await download.run()
        overflow = download.overflow
        if overflow is not None and not self._origin.promise.proves_bytes:
            raise overflow.failure  # without a digest the archive has to be read, and it is not there
        await download.proof.check(self._path)
        self.proved = True
        self._tell()
        if overflow is not None:
            raise overflow.failure
        return await self._land(self._path, download.proof.sha256, download.written)

    def _tell(self) -> None:
        self._news.set()
        self._moved()

    @asynccontextmanager
    async def _announced(self) -> AsyncIterator[None]:
        """Tell other processes during the block how far this one is."""
        telling = asyncio.create_task(self._announce_news())
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _announce_news(self) -> None:
        while self.overflow is None:
            self._news.clear()
            if self.answered:
                await self._announce()
            await self._news.wait()
        await ended(self._board.close)  # what is not on the disk nobody else can follow

    async def _announce(self, end: Landed | Failed | None = None) -> None:
        progress = Progress(
            source=self._origin.upstream.name,
            spool=str(self._path),
            inode=self.spool.inode(),
            size=self.size,
            written=self.written,
            validator=self._download.validator,
            proved=self.proved,
            end=end,
        )
        await ended(partial(self._board.write, progress))
