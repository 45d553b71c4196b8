"""A disk that is full."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the operating system fail every write beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Let a folder be a disk of so many bytes, for all that is written by position: what is removed makes room."""
    write = os.pwrite

    def bounded(descriptor: int, data: bytes, at: int) -> int:
        taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        more = at + len(data) - os.fstat(descriptor).st_size
        if taken + more > size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", bounded)
        yield
