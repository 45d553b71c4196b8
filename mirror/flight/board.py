"""What the processes that share a cache tell each other about a download, so that one of them fetches and the others follow.

A board is a small file under a name that all of them make of the same file. Whoever holds its lock leads: he downloads,
and writes down how far he is. The others read that. The lock falls free with its process, so nobody waits for the dead.

A board saves work and makes nothing right: where the disk takes none, everybody leads. A `Board` blocks, for an
instant; what is written is read by living processes of this machine alone, and so is never synchronized to the disk.
"""

import asyncio
import fcntl
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from struct import Struct
from threading import Lock

import msgspec

from mirror.errors import (
    Corrupt,
    FileNotFound,
    Refused,
    Rejected,
    Throttled,
    Unreachable,
    UpstreamError,
    WheelkeepError,
)
from mirror.flight.spool import ended
from mirror.names import Sha256

SOONEST_SECONDS = 0.005
LATEST_SECONDS = 0.01
"""How often a board is looked at: seldom while nothing comes, often enough for a first byte within 50 ms."""
_HEAD = Struct("<II")
"""Bytes of the record that follows, and their CRC-32: who reads while somebody writes sees that."""
_MOST_BYTES = 16 * 1024
_PASSED_ON: dict[str, type[WheelkeepError]] = {
    error.__name__: error for error in (Corrupt, FileNotFound, Refused, Rejected, Throttled, Unreachable)
}


class Landed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The file is proved and in the cache."""

    sha256: Sha256


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The download has failed, with one of the errors that others may be told."""

    kind: str
    sentence: str
    retry_after: int | None

    @classmethod
    def of(cls, error: BaseException) -> "Failed | None":
        """Write an error down; None for one that is this process's own affair."""
        if type(error) is not _PASSED_ON.get(type(error).__name__):
            return None
        retry_after = error.retry_after if isinstance(error, UpstreamError) else None
        return cls(type(error).__name__, str(error), retry_after)

    def error(self, upstream: str) -> WheelkeepError:
        """Make the error anew.

        Args:
            upstream: the name of the one that was asked.
        """
        kind = _PASSED_ON[self.kind]
        if issubclass(kind, UpstreamError):
            return kind(upstream, self.sentence, retry_after=self.retry_after)
        return kind(self.sentence)


class Progress(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """How far a download is."""

    source: str
    """The name of the upstream that is asked."""
    spool: str
    """The path of the growing file."""
    inode: int
    """Of that file: bytes of another one are never taken for its own."""
    size: int | None
    """Bytes of the whole file, where it is known."""
    written: int
    """Bytes that are there, from the start and without a hole."""
    validator: str | None
    """What `If-Range` takes to continue this very file."""
    proved: bool = False
    """Whether all bytes are there and right."""
    end: Landed | Failed | None = None


class Board:
    """One process's view of a board. `close` it, whatever happens; any thread may call it."""

    def __init__(self, path: Path) -> None:
        """Prepare a view; nothing is opened before `claim`."""
        self._path = path
        self._descriptor: int | None = None
        self._closed = False
        self._leads = False
        self._is_read = False
        """Whether the end that stands on the board was given to who asked."""
        self._lock = Lock()

    def claim(self) -> bool:
        """Take the lead, unless another process has it, or has told an end that was not read yet.

        It is had once and until `close`, also when the disk takes no board.
        """
        with self._lock:
            try:
                while not (self._closed or self._leads):
                    if self._descriptor is None:
                        self._descriptor, self._is_read = self._opened(), False
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._leads = self._is_named()
                    if self._leads:
                        os.ftruncate(
                            self._descriptor, 0
                        )  # who led before may have died with his last word on it
                    else:  # it was taken down
                        last = None if self._is_read else self._told()
                        if last is not None and last.end is not None:
                            return False
                        os.close(self._descriptor)
                        self._descriptor = None
            except BlockingIOError:
                return False
            except OSError:
                self._close()
            return True

    def write(self, progress: Progress) -> None:
        """Tell how far this process, which leads, is. Who cannot tell leads alone from then on."""
        with self._lock:
            if self._descriptor is None or not self._leads:
                return
            record = msgspec.msgpack.encode(progress)
            try:
                os.pwrite(self._descriptor, _HEAD.pack(len(record), zlib.crc32(record)) + record, 0)
            except OSError:
                self._close()

    def read(self) -> Progress | None:
        """Give what whoever leads has told last; None: nothing yet, or it is being told at this moment."""
        with self._lock:
            progress = self._told()
            self._is_read = progress is not None and progress.end is not None
            return progress

    def _told(self) -> Progress | None:
        if self._descriptor is None:
            return None
        with suppress(OSError, msgspec.DecodeError):
            data = os.pread(self._descriptor, _MOST_BYTES, 0)
            if len(data) >= _HEAD.size:
                size, crc = _HEAD.unpack_from(data)
                record = data[_HEAD.size : _HEAD.size + size]
                if len(record) == size and zlib.crc32(record) == crc:
                    return msgspec.msgpack.decode(record, type=Progress)
        return None

    def close(self) -> None:
        """Look no more, and take the board down when this process leads."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._closed = True
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                if self._leads:
                    with suppress(OSError):  # the next start sweeps what could not be removed now
                        self._path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _is_named(self) -> bool:
        """Tell whether what is locked is what others find under the name."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._descriptor or 0)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


@asynccontextmanager
async def alone(path: Path) -> AsyncIterator[None]:
    """Wait until no other process that shares the cache is in such a block, for as long as it lives; then keep others out.

    Args:
        path: of the board that they make of the same work.
    """
    board = Board(path)
    try:
        while not await asyncio.to_thread(board.claim):  # noqa: ASYNC110  (a lock tells nobody that it is free)
            await asyncio.sleep(LATEST_SECONDS)
        yield
    finally:
        await ended(board.close)


def sweep(folder: Path) -> None:
    """Take down the boards of processes that died."""
    for path in folder.iterdir() if folder.is_dir() else ():
        board = Board(path)
        board.claim()
        board.close()
