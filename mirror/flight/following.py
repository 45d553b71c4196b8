"""A download that another process of this machine has under way, followed by what it tells and read from its growing file."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from mirror.errors import StoreError, Unreachable
from mirror.flight.board import LATEST_SECONDS, SOONEST_SECONDS, Board, Failed, Landed, Progress
from mirror.flight.spool import Spool

LOOKS_WITHOUT_NEWS = 32
"""After so many looks without news it is asked whether the other process still lives."""
_COMPARED_BYTES = 1024 * 1024


class Following:
    """What another process downloads, with the face of a `Download`: it asks nobody and writes nothing.

    Attributes:
        size: of the whole file in bytes, where it is known.
        written: bytes of `spool` that may be read, from its start.
        answered: whether the upstream has begun to give the file.
        validator: what `If-Range` takes to continue this very file.
        proved: whether the other process has proved all bytes.
        spool: the other one's growing file, held here; None: nothing is known of it yet.
        overflow: none: who has a full disk leads alone.
        received: no byte came over the wire.
    """

    overflow = None
    received = 0

    def __init__(
        self,
        board: Board,
        *,
        upstream: str,
        moved: Callable[[], None],
        given: Callable[[], int],
    ) -> None:
        """Prepare to follow.

        Args:
            board: what the other process tells.
            upstream: the name of whom this process would ask.
            moved: called when there is news.
            given: tells up to which offset some reader was given bytes.
        """
        self.size: int | None = None
        self.written = 0
        self.answered = False
        self.validator: str | None = None
        self.proved = False
        self.spool: Spool | None = None
        self._inode = 0
        self._board = board
        self._upstream = upstream
        self._moved = moved
        self._given = given

    async def run(self) -> Landed | None:
        """Follow until the file has landed; None: nobody leads any more but this process, if it wants to.

        Raises:
            Corrupt, FileNotFound, Refused, UpstreamError: the other process could not have it.
            Unreachable: the file was begun anew with other bytes than were given here.
        """
        known, looks, pause = None, 0, SOONEST_SECONDS
        while True:
            progress = self._board.read()
            if progress is not None and progress != known:
                if isinstance(progress.end, Landed):
                    return progress.end
                if isinstance(progress.end, Failed) and progress.source == self._upstream:
                    raise progress.end.error(self._upstream)
                if await self.turn_to(Path(progress.spool), progress.written, progress.inode):
                    self._take(progress)
                    known, looks, pause = progress, 0, SOONEST_SECONDS
            looks += 1
            if looks % LOOKS_WITHOUT_NEWS == 0 and await asyncio.to_thread(self._board.claim):
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LATEST_SECONDS)

    async def close(self) -> None:
        """Hold the other one's file no longer."""
        if self.spool is not None:
            await self.spool.drop()

    def _take(self, progress: Progress) -> None:
        self.size, self.written, self.validator = progress.size, progress.written, progress.validator
        self.answered, self.proved = True, progress.proved
        self._moved()

    async def turn_to(self, path: Path, written: int, inode: int | None = None) -> bool:
        """Read from this file from now on; False: it is not there, or not yet as long as what was given here.

        Args:
            path: of the file.
            written: bytes that are there, from the start and without a hole.
            inode: of the file, when it must be a certain one.

        Raises:
            Unreachable: it does not begin with what was given here.
        """
        if inode == self._inode:
            return True
        async with AsyncExitStack() as stack:
            spool = Spool(path)
            spool.hold()
            stack.push_async_callback(spool.drop)
            try:
                await spool.opened()
                if inode not in {None, spool.inode()} or not await self._continued_by(spool, written):
                    return False
            except StoreError:
                return False  # it was moved to its place a moment ago, or is gone: the one or the other will be told
            before, self.spool, self._inode = self.spool, spool, spool.inode()
            stack.pop_all()
            if before is not None:
                stack.push_async_callback(before.drop)
        return True

    async def _continued_by(self, spool: Spool, written: int) -> bool:
        """Compare what was given to readers here with the beginning of another file; False: that is not there yet."""
        given = self._given()
        if self.spool is None or not given or self.spool.inode() == spool.inode():
            return True
        if written < given:
            return False
        for at in range(0, given, _COMPARED_BYTES):
            size = min(_COMPARED_BYTES, given - at)
            here, there = [await asyncio.to_thread(file.read, size, at) for file in (self.spool, spool)]
            if here != there:
                name = self._upstream
                raise Unreachable(name, f"A file changed on {name} while it was downloaded: ask again.")
        return True
