"""The two trees of a cache and how recently each file was used. Everything here blocks, and may be called by any thread."""

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Literal

from mirror import names
from mirror.cache.session import sync_folder
from mirror.errors import StoreError
from mirror.model import HeldFile
from mirror.names import Sha256
from mirror.ports import Clock

Tree = Literal["files-v1", "metadata-v1"]
TREES: tuple[Tree, ...] = ("files-v1", "metadata-v1")

USE_NOTED_SECONDS = 3600
"""How exactly the time of a file's last use is kept on the disk, for the order in which files go after a restart."""
LOOK_AGAIN_SHARE = 20
"""A process counts what others have committed each time that it has committed this part of the bound itself."""
RELIEF_SHARE = 20
"""On a full disk this part of what is held goes at one time: not the whole cache for one file, nor a file for each write."""
_FOLDER_DIGITS = 2


class Shelf:
    """Files by tree and digest. It trusts the names: whether content and name agree is judged by its owner."""

    def __init__(self, root: Path, max_bytes: int, clock: Clock) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """Bytes by path; the least recently used first."""
        self._total = 0
        self._committed = 0
        """Bytes since the trees were last walked."""
        self._relieving = Lock()
        self._reliefs = 0

    @property
    def total_bytes(self) -> int:
        """Bytes in both trees."""
        return self._total

    def walk(self) -> None:
        """Make the index from what is there, and room where that is too much."""
        found = sorted(
            (status.st_atime_ns, path, status.st_size)
            for tree in TREES
            for path, status in _files(self._root / tree / "sha256")
        )
        with self._lock:
            self._sizes = OrderedDict((path, size) for _, path, size in found)
            self._total = sum(self._sizes.values())
        self._make_room(self._max_bytes)

    def digests(self, tree: Tree) -> set[Sha256]:
        """Give the digests of all files of a tree."""
        beginning = f"{self._root / tree}{os.sep}"
        with self._lock:
            return {Sha256(os.path.basename(path)) for path in self._sizes if path.startswith(beginning)}  # noqa: PTH119

    def holds(self, tree: Tree, sha256: Sha256) -> bool:
        """Tell whether a file is there, without using it."""
        return os.path.isfile(self._path(tree, sha256))  # noqa: PTH113

    def find(self, tree: Tree, sha256: Sha256) -> tuple[HeldFile, bool] | None:
        """Look for a file and note that it is used.

        Returns:
            The file, and whether its size is the one it had before; None when it is not there.
        """
        path = self._path(tree, sha256)
        now = self._clock()
        try:
            status = os.stat(path)  # noqa: PTH116
            if now - status.st_atime >= USE_NOTED_SECONDS:
                os.utime(path, ns=(int(now * 1e9), status.st_mtime_ns))
        except FileNotFoundError:
            self._forget(path)
            return None
        with self._lock:
            before = self._sizes.get(path, status.st_size)
        self._note(path, status.st_size)
        return _held(path, sha256, status), before == status.st_size

    def put(self, spooled: Path, tree: Tree, sha256: Sha256, size: int, *, renew: bool) -> HeldFile:
        """Move a proved file to its place, durably, and make room for it.

        Args:
            spooled: the file, in the same file system.
            tree: where it goes.
            sha256: its digest.
            size: its bytes.
            renew: replace what is there already, since it is doubtful.
        """
        if spooled.stat().st_size != size:
            raise StoreError("A file of the cache is not as long as what was written to it: check the disk.")
        path = self._path(tree, sha256)
        there = None if renew else self.find(tree, sha256)
        if there is not None and there[0].size == size:
            spooled.unlink()
            return there[0]
        now = int(self._clock())
        os.utime(spooled, (now, now))
        _sync_file(spooled)
        self._make_folder(Path(path).parent)
        spooled.replace(path)
        sync_folder(Path(path).parent)
        self._note(path, size)
        self._committed += size
        if self._committed >= self._max_bytes // LOOK_AGAIN_SHARE:
            self._count_others()
        self._make_room(self._max_bytes, path)
        return HeldFile(path=Path(path), sha256=sha256, size=size, modified=float(now))

    def relieve(self) -> bool:
        """Remove the least recently used files, one part in `RELIEF_SHARE` of all, once for all who ask meanwhile.

        Returns:
            Whether something was removed.
        """
        seen = self._reliefs
        with self._relieving:
            if self._reliefs == seen and self._make_room(
                most=self._total - max(1, self._total // RELIEF_SHARE)
            ):
                self._reliefs += 1
            return self._reliefs != seen

    def drop(self, tree: Tree, sha256: Sha256) -> None:
        """Remove a file."""
        path = self._path(tree, sha256)
        Path(path).unlink(missing_ok=True)
        self._forget(path)

    def _count_others(self) -> None:
        """Take what other processes have committed and removed into the index; what is new in it was used last."""
        self._committed = 0
        with self._lock:
            known = set(self._sizes)
        found = {path: status for tree in TREES for path, status in _files(self._root / tree / "sha256")}
        for path in known - found.keys():
            self._forget(path)
        for path in sorted(found.keys() - known, key=lambda path: found[path].st_atime_ns):
            self._note(path, found[path].st_size)

    def _make_room(self, most: int, newest: str | None = None) -> int:
        """Remove the least recently used files until the rest fits, and tell how many; never the newest: somebody waits for it."""
        removed = 0
        while (path := self._excess(most, newest)) is not None:
            Path(path).unlink(missing_ok=True)
            removed += 1
        return removed

    def _excess(self, most: int, newest: str | None) -> str | None:
        """Take the file that has to go next out of the index."""
        with self._lock:
            if self._total <= most:
                return None
            path = next((path for path in self._sizes if path != newest), None)
            if path is not None:
                self._total -= self._sizes.pop(path)
            return path

    def _note(self, path: str, size: int) -> None:
        with self._lock:
            self._total += size - self._sizes.pop(path, 0)
            self._sizes[path] = size

    def _forget(self, path: str) -> None:
        with self._lock:
            self._total -= self._sizes.pop(path, 0)

    def _path(self, tree: Tree, sha256: Sha256) -> str:
        digest = names.sha256(sha256)  # a path is made of it, whoever handed it in
        return os.fspath(self._root / tree / "sha256" / digest[:_FOLDER_DIGITS] / digest)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder under the root, durably."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)


def _files(tree: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Walk the files of a tree that have a digest for their name, in its folder."""
    for folder in _entries(tree):
        if folder.is_dir(follow_symlinks=False):
            for entry in _entries(folder):
                if len(entry.name) == 64 and entry.name.startswith(folder.name):  # noqa: PLR2004
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        yield entry.path, status


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _held(path: str, sha256: Sha256, status: os.stat_result) -> HeldFile:
    return HeldFile(path=Path(path), sha256=sha256, size=status.st_size, modified=float(int(status.st_mtime)))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
