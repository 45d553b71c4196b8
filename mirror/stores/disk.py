"""A store in a directory: `mirror.stores.tree` in threads.

Safe between the processes of one machine. A caller that is cancelled in the middle of a write leaves the object as it
was or as it should become, since the thread ends what it began.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from mirror.errors import StoreError
from mirror.ports import BlobInfo
from mirror.stores.keys import check_key, check_prefix, probe
from mirror.stores.tree import Tree

PIECE_BYTES = 256 * 1024
"""Of an object that is read in pieces."""
_DESCRIBED_AT_ONCE = 256
"""Objects of a list that one thread looks at before the next are asked for."""


class DiskReader:
    """An object, or a part of it, as it was when it was opened: a later change makes another file."""

    def __init__(self, info: BlobInfo, file: BinaryIO, start: int, stop: int | None) -> None:
        self.info = info
        self._file = file
        self._start = start
        self._stop = info.size if stop is None else min(stop, info.size)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes in pieces of at most `PIECE_BYTES`.

        Raises:
            StoreError: they could not be read to the end.
        """
        at = self._start
        while at < self._stop:
            try:
                piece = await asyncio.to_thread(self._read, at, min(PIECE_BYTES, self._stop - at))
            except OSError as error:
                raise StoreError(
                    f"The store could not read {self.info.key} to its end; check its disk."
                ) from error
            if not piece:
                raise StoreError(f"{self.info.key} ended before its size; check the disk of the store.")
            at += len(piece)
            yield piece

    def _read(self, at: int, length: int) -> bytes:
        self._file.seek(at)
        return self._file.read(length)


class DiskStore:
    """Objects as files under `root`, which is made on first use. POSIX only: it locks by `flock`."""

    def __init__(self, root: Path) -> None:
        self._tree = Tree(root)

    async def stat(self, key: str) -> BlobInfo:
        """Describe an object; see the port."""
        check_key(key)
        return await asyncio.to_thread(self._tree.describe, key)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncIterator[DiskReader]:
        """Open an object, or a part of it; see the port."""
        check_key(key)
        opening = asyncio.ensure_future(asyncio.to_thread(self._tree.open, key))
        try:
            file, info = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise
        try:
            yield DiskReader(info, file, start, stop)
        finally:
            # In a thread: it waits for a read that a cancelled caller left running.
            await asyncio.shield(asyncio.to_thread(file.close))

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read an object whole; see the port."""
        check_key(key)
        return await asyncio.to_thread(self._tree.read, key)

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write an object whole; see the port."""
        check_key(key)
        return await asyncio.to_thread(self._tree.write, key, data, if_match, if_absent=if_absent)

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List objects by the beginning of their keys; see the port. Memory grows with the largest folder alone."""
        check_prefix(prefix)
        folder = prefix[: prefix.rfind("/") + 1]
        ahead = list(reversed(await asyncio.to_thread(self._tree.children, folder)))
        while ahead:
            if ahead[-1].endswith("/"):
                name = ahead.pop()
                if name.startswith(prefix):
                    ahead += reversed(await asyncio.to_thread(self._tree.children, name))
                continue
            keys: list[str] = []
            while ahead and not ahead[-1].endswith("/") and len(keys) < _DESCRIBED_AT_ONCE:
                keys.append(ahead.pop())
            wanted = [key for key in keys if key.startswith(prefix)]
            for info in await asyncio.to_thread(self._tree.describe_all, wanted):
                yield info

    async def delete(self, key: str) -> None:
        """Remove an object; see the port."""
        check_key(key)
        await asyncio.to_thread(self._tree.remove, key)

    async def check(self) -> None:
        """See that the store works; see the port."""
        await probe(self)


def _close_opened(opening: "asyncio.Future[tuple[BinaryIO, BlobInfo]]") -> None:
    """Close what a caller who is gone had opened."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()
