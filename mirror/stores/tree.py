"""Objects as files in a directory: the blocking half of the disk store, called in threads.

    {root}/
    ├── objects/{key}        one file an object
    ├── temporary/{00..ff}   being written by who holds the lock of that name; swept when a crash left it
    └── locks/{00..ff}       one writer a group of keys, among all processes of the machine

An object is replaced by a rename, so that a reader sees the old bytes or the new ones, and after a power failure one of
them is there. A key must not be the folder of another: `a` and `a/b` cannot both be.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from cachetools import LRUCache

from mirror.errors import Conflict, FileNotFound, Invalid, StoreError
from mirror.ports import BlobInfo
from mirror.stores.keys import check_key

KNOWN_DIGESTS = 16_384
"""Files whose digest is remembered, about 5 MB."""
RACY_NANOSECONDS = 2_000_000_000
"""Two changes closer together than this may bear one time stamp, so such a young file's digest is not remembered."""

_Identity = tuple[int, int, int, int, int]


class Tree:
    """The files of one store. Every method blocks, and turns an `OSError` into a `StoreError`."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._temporary = root / "temporary"
        self._locks = root / "locks"
        self._prepared = False
        self._digests: LRUCache[_Identity, str] = LRUCache(KNOWN_DIGESTS)
        self._digests_lock = Lock()

    def prepare(self) -> None:
        """Make the folders and sweep what a crash left, on the first call.

        Raises:
            StoreError: they cannot be made.
        """
        if self._prepared:
            return
        with _translated("prepare its folders"):
            for folder in (self._objects, self._temporary, self._locks):
                _make_folder(folder)
            for left in self._temporary.iterdir():
                with suppress(BlockingIOError), self._lock(left.name, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    left.unlink(missing_ok=True)
        self._prepared = True

    def describe(self, key: str) -> BlobInfo:
        """Describe an object; it is read through when its digest is not known.

        Raises:
            FileNotFound, StoreError: as the port says.
        """
        file, info = self.open(key)
        file.close()
        return info

    def open(self, key: str) -> tuple[BinaryIO, BlobInfo]:
        """Open an object at its first byte; the caller closes it.

        Raises:
            FileNotFound, StoreError: as the port says.
        """
        self.prepare()
        with _translated(f"open {key}"):
            try:
                file = self._path(key).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise self._missing(key) from None
            try:
                status = os.fstat(file.fileno())
                digest = self._known(status)
                if digest is None:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    self._keep(status, digest)
                    file.seek(0)
            except BaseException:
                file.close()
                raise
        return file, _info(key, status, digest)

    def read(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read an object whole.

        Raises:
            FileNotFound, StoreError: as the port says.
        """
        file, info = self.open(key)
        with _translated(f"read {key}"), file:
            return file.read(), info

    def write(self, key: str, data: bytes, if_match: str | None, *, if_absent: bool) -> BlobInfo:
        """Put the bytes under the key, whole or not at all, and so that they survive a power failure.

        Raises:
            Conflict, StoreError: as the port says.
        """
        self.prepare()
        path = self._path(key)
        group = _group(key)
        with _translated(f"write {key}"), self._lock(group):
            self._check(key, if_match, if_absent=if_absent)
            _make_folder(path.parent)
            temporary = self._temporary / group
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    status = os.fstat(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(path.parent)
        return _info(key, status, hashlib.sha256(data).hexdigest())

    def remove(self, key: str) -> None:
        """Remove an object if it is there.

        Raises:
            StoreError: as the port says.
        """
        self.prepare()
        path = self._path(key)
        with (
            _translated(f"remove {key}"),
            self._lock(_group(key)),
            suppress(FileNotFoundError, NotADirectoryError),
        ):
            path.unlink()
            _sync_folder(path.parent)

    def children(self, folder: str) -> list[str]:
        """List what is in a folder (`""` or `a/b/`) as keys, and as `a/b/c/` for a folder, in the order of keys.

        Raises:
            StoreError: the folder cannot be read.
        """
        self.prepare()
        with _translated(f"list {folder or 'its objects'}"):
            try:
                with os.scandir(self._objects / folder) as entries:
                    found = [f"{folder}{entry.name}{'/' if entry.is_dir() else ''}" for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                self._missing(folder)
                return []
        return sorted(name for name in found if _is_key(name.removesuffix("/")))

    def describe_all(self, keys: Sequence[str]) -> list[BlobInfo]:
        """Describe those of the objects that are still there.

        Raises:
            StoreError: one of them cannot be read.
        """
        infos = []
        for key in keys:
            with suppress(FileNotFound):
                infos.append(self.describe(key))
        return infos

    def _path(self, key: str) -> Path:
        return self._objects / key

    def _missing(self, key: str) -> FileNotFound:
        """Make the error for an absent object, unless it is the disk that went away."""
        if not self._objects.is_dir():
            raise StoreError("The folder of the store is gone; see whether its disk is mounted.")
        return FileNotFound(f"The store has no {key}.")

    def _check(self, key: str, if_match: str | None, *, if_absent: bool) -> None:
        if if_match is None and not if_absent:
            return
        try:
            etag = self.describe(key).etag
        except FileNotFound:
            etag = None
        if if_absent and etag is not None:
            raise Conflict(f"The store has {key} already.")
        if if_match is not None and etag != if_match:
            raise Conflict(f"{key} is not what it was when it was read.")

    @contextmanager
    def _lock(self, group: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Be the only writer of a group: each opening of a lock file excludes the others, also of this process."""
        with (self._locks / group).open("ab") as lock:
            fcntl.flock(lock, how)
            yield

    def _known(self, status: os.stat_result) -> str | None:
        with self._digests_lock:
            return self._digests.get(_identity(status))

    def _keep(self, status: os.stat_result, digest: str) -> None:
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > RACY_NANOSECONDS:
            with self._digests_lock:
                self._digests[_identity(status)] = digest


def _group(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:2]


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _info(key: str, status: os.stat_result, digest: str) -> BlobInfo:
    return BlobInfo(key=key, size=status.st_size, etag=digest, modified=status.st_mtime)


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except Invalid:
        return False
    return True


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that they survive a power failure."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        _sync_folder(each.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no such call for folders, and keep them by themselves.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn what the disk says into a sentence of ours: the key and the cause, no path of the machine."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise StoreError(
            f"The store could not {doing}: {cause}; check the space and the rights on its disk."
        ) from error
