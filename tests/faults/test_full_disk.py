"""A cache on a file system that is really full: F38, with a kill at the worst moment."""

import ctypes
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.mortal import Nursery, Server, configure
from tests.faults.remains import judge_ended, judge_running
from tests.simulator import Simulator
from tests.wheels import wheel

ROOM = "4M"
LARGE = wheel("demo", "9.0", size=6_000_000)
"""More than the disk has."""
FILES = [LARGE, *(wheel("demo", f"{number}.0", size=900_000) for number in range(6))]
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small file system in memory for the block, where this process may."""
    folder.mkdir(parents=True)
    if _LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={ROOM}".encode()):
        pytest.skip(f"No file system can be mounted: {os.strerror(ctypes.get_errno())}.")
    try:
        yield
    finally:
        _LIBC.umount2(os.fsencode(folder), 2)


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give a feed with more than the disk takes."""
    async with Simulator() as feed:
        for built in FILES:
            feed.add(built.project, built.filename, built.data, metadata=built.metadata)
        yield feed


async def judge_service(server: Server) -> None:
    """See that everybody is given everything right, and that the server is ready."""
    for built in (*FILES, *FILES):
        answer = await server.ask(f"/files/demo/{built.filename}")
        assert answer is not None
        assert (answer.status, answer.body == built.data) == (200, True), built.filename
    ready = await server.ask("/readyz")
    assert ready is not None
    assert ready.status == 200


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_full_disk_costs_nobody_a_file(
    nursery: Nursery, feed: Simulator, tmp_path: Path, workers: int
) -> None:
    """Files that the disk has no room for are given all the same, before and after a kill, and no part of them stays there."""
    folder = tmp_path / "house"
    with small_disk(folder / "data" / "cache"):
        configure(folder, feed, workers=workers)
        async with nursery.serving(folder) as server:
            await judge_service(server)
            server.kill()
            assert await server.ended() == -9
        configure(folder, feed)
        async with nursery.serving(folder) as server:
            judge_running(folder / "data")
            await judge_service(server)
            server.leave()
            assert await server.ended() == 0
        judge_ended(folder / "data")
