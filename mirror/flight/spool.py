"""The growing file of a flight: positional reads and writes that cancellation cannot misdirect."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from mirror.errors import StoreError

T = TypeVar("T")

LARGEST_PIECE_BYTES = 256 * 1024
SMALLEST_PIECE_BYTES = 32 * 1024
READ_AHEAD_BYTES = 16 * 1024 * 1024
"""What all who read one file into memory may hold together, as long as their pieces are not the smallest already."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Relieve = Callable[[], bool]
"""Makes room on a full disk, and tells whether it could. It blocks."""


class Spool:
    """One open file, for one writer and any number of readers. Methods that are not coroutines block, but for `hold`.

    A task that is cancelled leaves its read or write running in a thread. Were the file closed under it, its descriptor
    could by then be another file's or a client's socket; so one lock lets each call finish before the close. The file is
    opened by a call and not before, for the same reason: what a thread opens must have an owner although its task is gone.
    """

    def __init__(self, path: Path, *, writing: bool = False, relieve: Relieve = lambda: False) -> None:
        self._path = path
        self._relieve = relieve
        self._flags = os.O_CLOEXEC | (os.O_RDWR | os.O_CREAT | os.O_EXCL if writing else os.O_RDONLY)
        self._descriptor: int | None = None
        self._closed = False
        self._lock = Lock()
        self.holders = 0
        """How many need the file open: its writer and its readers."""

    def hold(self) -> None:
        """Keep the file open until `drop`."""
        self.holders += 1

    async def drop(self) -> None:
        """Close the file when nobody holds it any more, also when the caller is cancelled meanwhile."""
        self.holders -= 1
        if not self.holders:
            await ended(self.close)

    async def opened(self) -> None:
        """Open the file, when it is not open yet.

        Raises:
            StoreError: the disk failed, or the file is not there.
        """
        if self._descriptor is None:
            await asyncio.to_thread(self._open)

    def _open(self) -> None:
        with self._lock, disk_failures():
            self._held()

    def fileno(self) -> int:
        """Give the descriptor of the open file, which is its own as long as it is held."""
        if self._descriptor is None:
            raise StoreError("A file of the cache was closed while it was in use.")
        return self._descriptor

    def read(self, size: int, at: int) -> bytes:
        """Read the `size` bytes at offset `at`, all of which were written.

        Raises:
            StoreError: the disk failed, or has lost some of them.
        """
        with self._lock, disk_failures():
            data = os.pread(self._held(), size, at)
        if len(data) != size:
            raise StoreError("A file of the cache is shorter than what was written to it: check the disk.")
        return data

    def write(self, data: bytes | memoryview, at: int) -> None:
        """Write all of `data` at offset `at`.

        Raises:
            StoreError: the disk is full or failed.
        """
        rest = memoryview(data)
        with self._lock, disk_failures():
            while rest:
                written = self._write_some(rest, at)
                rest, at = rest[written:], at + written

    def _write_some(self, data: memoryview, at: int) -> int:
        """Write what the disk takes at one time, and try once more when it was full and is not any more."""
        try:
            return os.pwrite(self._held(), data, at)
        except OSError as error:
            if error.errno not in _FULL or not self._relieve():
                raise
        return os.pwrite(self._held(), data, at)

    def inode(self) -> int:
        """Tell which file is open, whatever its name: two that are there at one time have two numbers; 0: none is."""
        return 0 if self._descriptor is None else os.fstat(self._descriptor).st_ino

    def renew(self) -> None:
        """Begin another file under the name; who has the one before open sees nothing of it.

        Raises:
            StoreError: the disk failed.
        """
        with self._lock, disk_failures():
            descriptor = self._held()
            self._path.unlink(missing_ok=True)
            fresh = os.open(self._path, self._flags, 0o644)
            try:
                os.dup2(fresh, descriptor, inheritable=False)
            finally:
                os.close(fresh)

    def close(self) -> None:
        """Close the file after the call that is under way; later calls fail."""
        with self._lock:
            self._closed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def remove(self) -> None:
        """Remove the file's name; those who hold it read on, and what was not opened yet never will be.

        Raises:
            StoreError: the disk failed.
        """
        with self._lock, disk_failures():
            self._closed = self._closed or self._descriptor is None
            self._path.unlink(missing_ok=True)

    def _held(self) -> int:
        if self._closed:
            raise StoreError("A file of the cache was closed while it was in use.")
        if self._descriptor is None:
            self._descriptor = os.open(self._path, self._flags, 0o644)
        return self._descriptor


class Stretch:
    """Bytes of a spool that somebody holds. It fulfils `mirror.ports.Stretch`.

    Attributes:
        start: offset of the first byte in the file.
    """

    def __init__(self, spool: Spool, start: int, size: int) -> None:
        self.start = start
        self._spool = spool
        self._size = size

    def __len__(self) -> int:
        """Tell how many bytes."""
        return self._size

    def fileno(self) -> int:
        """Give the descriptor of the file."""
        return self._spool.fileno()

    async def pieces(self, start: int) -> AsyncIterator[bytes]:
        """Read the bytes from an offset of the file on, in pieces that are the smaller the more readers there are.

        Raises:
            StoreError: the disk failed.
        """
        at, end = start, self.start + self._size
        while at < end:
            share = READ_AHEAD_BYTES // max(1, self._spool.holders)
            size = min(end - at, max(SMALLEST_PIECE_BYTES, min(LARGEST_PIECE_BYTES, share)))
            yield await asyncio.to_thread(self._spool.read, size, at)
            at += size


async def ended(work: Callable[[], T]) -> T:
    """Do blocking work in a thread to its end, also when the caller is cancelled before the thread has begun it.

    Raises:
        whatever the work raises, unless the caller was cancelled.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(asyncio.shield(working), return_exceptions=True)
        raise


@contextmanager
def disk_failures() -> Iterator[None]:
    """Turn what the disk says into a `StoreError`: a sentence without the name of the file."""
    try:
        yield
    except OSError as error:
        raise disk_failure(error) from error


def disk_failure(error: OSError) -> StoreError:
    """Make the sentence for what the disk said, without the name of the file."""
    return StoreError(
        f"The disk of the cache failed ({error.strerror}): check that it is writable and has room."
    )
