"""The growing file of a flight: positional reads and writes that cancellation cannot misdirect."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from mirror.errors import StoreError


class Spool:
    """One open file, for the one writer or for one reader. Every method blocks: call it in a thread.

    A task that is cancelled leaves its read or write running in a thread. Were the file closed under it, its descriptor
    could by then be another file's or a client's socket; so one lock lets each call finish before the close. The file is
    opened by a call and not before, for the same reason: what a thread opens must have an owner although its task is gone.
    """

    def __init__(self, path: Path, *, writing: bool = False) -> None:
        self._path = path
        self._flags = os.O_CLOEXEC | (os.O_RDWR | os.O_CREAT | os.O_EXCL if writing else os.O_RDONLY)
        self._descriptor: int | None = None
        self._closed = False
        self._lock = Lock()

    def open(self) -> bool:
        """Open the file, when it is not open yet; False when it is not where it was.

        Raises:
            StoreError: the disk failed.
        """
        with self._lock, disk_failures():
            try:
                self._opened()
            except FileNotFoundError:
                return False
            return True

    def read(self, size: int, at: int) -> bytes:
        """Read the `size` bytes at offset `at`, all of which were written.

        Raises:
            StoreError: the disk failed, or has lost some of them.
        """
        with self._lock, disk_failures():
            data = os.pread(self._opened(), size, at)
        if len(data) != size:
            raise StoreError("A file of the cache is shorter than what was written to it: check the disk.")
        return data

    def write(self, data: bytes, at: int) -> None:
        """Write all of `data` at offset `at`.

        Raises:
            StoreError: the disk is full or failed.
        """
        rest = memoryview(data)
        with self._lock, disk_failures():
            while rest:
                written = os.pwrite(self._opened(), rest, at)
                rest, at = rest[written:], at + written

    def truncate(self) -> None:
        """Make the file empty.

        Raises:
            StoreError: the disk failed.
        """
        with self._lock, disk_failures():
            os.ftruncate(self._opened(), 0)

    def close(self) -> None:
        """Close the file after the call that is under way; later calls fail."""
        with self._lock:
            self._closed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def remove(self) -> None:
        """Close the file and remove its name; readers that have it open read on."""
        self.close()
        with disk_failures():
            self._path.unlink(missing_ok=True)

    def _opened(self) -> int:
        if self._closed:
            raise StoreError("A file of the cache was closed while it was in use.")
        if self._descriptor is None:
            self._descriptor = os.open(self._path, self._flags, 0o644)
        return self._descriptor


async def ended(work: Callable[[], None]) -> None:
    """Do blocking work in a thread to its end, also when the caller is cancelled before the thread has begun it.

    Raises:
        whatever the work raises, unless the caller was cancelled.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(asyncio.shield(working), return_exceptions=True)
        raise


@contextmanager
def disk_failures() -> Iterator[None]:
    """Turn what the disk says into a `StoreError`: a sentence without the name of the file."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"The disk of the cache failed ({error.strerror}): check that it is writable and has room."
        ) from error
