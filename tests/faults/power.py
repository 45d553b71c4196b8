"""A power failure: of what a killed server did, that which was not made durable is lost, as a coin falls."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.points import Step


def lose(data: Path, steps: Sequence[Step], coin: Random) -> None:
    """Take from a folder what may be gone after the power has failed.

    POSIX promises no more: a name is durable once its folder was synchronized after it, bytes once their file was. A
    removal that is lost is not played: it brings back what the next start removes once more.

    Args:
        data: the folder that was watched.
        steps: what was done in it.
        coin: is thrown for each name, and for what becomes of the bytes: cut off, or zeros in their place.
    """
    named: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for number, step in enumerate(steps):
        if step.call == "synced":
            named[step.inode] = number
        if step.inode:
            sizes[step.inode] = step.size
    for path in [path for path in data.rglob("*") if path.is_file()]:
        status = path.stat()
        _lose_bytes(path, sizes.get(status.st_ino, status.st_size), cut=coin.random() < 0.5)
    for number, step in reversed(list(enumerate(steps))):
        if step.folder and named.get(step.folder, -1) < number and coin.random() < 0.5:
            _lose_name(step)


def _lose_bytes(path: Path, durable: int, *, cut: bool) -> None:
    size = path.stat().st_size
    if size > durable:
        os.truncate(path, durable)
        if not cut:
            os.truncate(path, size)


def _lose_name(step: Step) -> None:
    path = Path(step.path)
    if step.call == "os.rename" and not path.exists() and path.parent.exists() and Path(step.to).exists():
        Path(step.to).rename(path)
    elif step.call == "os.mkdir" and path.exists():
        shutil.rmtree(path)
    elif step.call == "open":
        path.unlink(missing_ok=True)
