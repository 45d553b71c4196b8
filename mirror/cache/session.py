"""One process's room in the spool, and the signs that another one did not end well. Everything here blocks."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import Invalid
from mirror.names import Sha256, sha256

_IN_USE = "in-use"
_DOUBTFUL = "doubtful"


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other processes from opening or closing the cache for a moment."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Session:
    """A folder in the spool that is this process's own until it is closed, or until the process dies."""

    def __init__(self, root: Path) -> None:
        """Make the folder; call it while `alone`."""
        self.folder = root / "spool" / secrets.token_hex(8)
        self.folder.mkdir(parents=True)
        self._lock = os.open(self.folder / _IN_USE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def path(self) -> Path:
        """Name a new file in the folder."""
        return self.folder / secrets.token_hex(8)

    def close(self) -> None:
        """Remove the folder with all that is left in it: this process has ended well. Call it while `alone`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def boards(root: Path) -> Path:
    """Name the folder of what processes tell each other about downloads."""
    return root / "flights"


def abandoned(root: Path) -> list[Path]:
    """Find the sessions of processes that died; call it while `alone`."""
    spool = root / "spool"
    return [entry for entry in spool.iterdir() if not _in_use(entry)] if spool.is_dir() else []


def remove(sessions: Iterable[Path]) -> None:
    """Remove what processes that died have left."""
    for session in sessions:
        if session.is_dir():
            shutil.rmtree(session)
        else:
            session.unlink()


def read_doubtful(root: Path) -> set[Sha256]:
    """Give the digests of files that an earlier process had doubts about and did not hash again."""
    try:
        lines = (root / _DOUBTFUL).read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return set()
    return {digest for line in lines if (digest := _digest(line)) is not None}


def write_doubtful(root: Path, digests: Iterable[Sha256]) -> None:
    """Write the doubts down, durably, for the next process; none: remove the list."""
    path, text = root / _DOUBTFUL, "".join(f"{digest}\n" for digest in sorted(digests))
    if not text:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(root)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_use(session: Path) -> bool:
    """Tell whether a living process holds the lock of a session."""
    try:
        descriptor = os.open(session / _IN_USE, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _digest(line: str) -> Sha256 | None:
    try:
        return sha256(line)
    except Invalid:
        return None
