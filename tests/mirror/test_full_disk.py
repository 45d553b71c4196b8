"""A cache whose disk is full makes room of its own and goes on caching (F38)."""

import asyncio
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import pytest

from mirror.cache import DiskCache
from mirror.cache.shelf import RELIEF_SHARE, Shelf
from mirror.errors import StoreError
from mirror.events import Event, FlightEnded
from mirror.fetch import FileLimits, FileService
from mirror.model import FileRef, HeldFile
from mirror.names import ProjectName
from tests.disk import small_disk
from tests.memory import MemoryUpstream, taken
from tests.mirror.test_cache import digest, keep
from tests.mirror.test_fetch import MemoryLedger

KIB = 1024
SIZE = 100 * KIB


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[DiskCache]:
    """Open a cache that may be far larger than its disk."""
    opened = await DiskCache.open(tmp_path, max_bytes=1000 * SIZE)
    yield opened
    await opened.aclose()


async def _ask(files: FileService, ref: FileRef) -> bytes:
    got = await files.obtain(ref)
    if isinstance(got, HeldFile):
        return await asyncio.to_thread(got.path.read_bytes)
    return b"".join([await taken(chunk) async for chunk in got.chunks()])


async def test_a_full_disk_costs_what_was_not_used_for_longest(cache: DiskCache, tmp_path: Path) -> None:
    """When what is held fills the disk, new files are kept all the same, and the least recently used go for them, no more than needed."""
    upstream, events = MemoryUpstream(), list[Event]()
    demo = ProjectName("demo")
    contents = [random.Random(number).randbytes(SIZE) for number in range(12)]  # noqa: S311
    listed = [upstream.add("demo", f"demo-{n}.tar.gz", data) for n, data in enumerate(contents)]
    refs = [FileRef(source="memory", project=demo, file=file) for file in listed]
    limits = FileLimits(small_file_bytes=0, resume_pauses_seconds=(0,))
    files = FileService({"memory": upstream}, cache, MemoryLedger(), observer=events.append, limits=limits)
    with small_disk(tmp_path, 8 * SIZE + SIZE // 2):
        for ref, data in zip(refs, contents, strict=True):
            assert await _ask(files, ref) == data
            assert (await files._whole(ref)).size == SIZE
        await files.aclose(60)
    assert [event.outcome for event in events if isinstance(event, FlightEnded)] == ["committed"] * 12
    held = [await cache.find(digest(data)) is not None for data in contents]
    assert held == [False] * 4 + [True] * 8


async def test_metadata_finds_room_on_a_full_disk(cache: DiskCache, tmp_path: Path) -> None:
    """Core metadata that the disk has no room for takes that of an old file."""
    old, new = await keep(cache, bytes(SIZE)), await keep(cache, bytes(SIZE - 1))
    with small_disk(tmp_path, 2 * SIZE):
        kept = await cache.keep_metadata(b"Name: demo")
    assert await cache.read_metadata(kept) == b"Name: demo"
    assert await cache.find(old.sha256) is None
    assert await cache.find(new.sha256) is not None


async def test_a_disk_that_others_fill_is_an_error(cache: DiskCache, tmp_path: Path) -> None:
    """Where nothing is left that could be removed the disk has failed, and nothing stays in the spool."""
    with small_disk(tmp_path, 5), pytest.raises(StoreError):
        await cache.keep_metadata(b"Name: demo")
    assert {path.name for path in cache.spool().parent.iterdir()} == {"in-use"}


class Together:
    """A lock for which so many have to come before the first of them has it."""

    def __init__(self, count: int) -> None:
        self._barrier = Barrier(count)
        self._lock = Lock()

    def __enter__(self) -> None:
        """Wait for the others, then for the lock."""
        self._barrier.wait(60)
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Let the next one have it."""
        self._lock.release()


def test_those_who_need_room_together_take_it_once(tmp_path: Path) -> None:
    """Many writes that meet the full disk at one time cost a part of what is held, and not as many parts."""
    shelf = Shelf(tmp_path, 10**9, lambda: 1000.0)
    for number in range(RELIEF_SHARE * 2):
        data = number.to_bytes(100)
        (tmp_path / "spooled").write_bytes(data)
        shelf.put(tmp_path / "spooled", "files-v1", digest(data), len(data), renew=False)
    shelf._relieving = Together(8)  # type: ignore[assignment]
    with ThreadPoolExecutor(8) as threads:
        relieved = [threads.submit(shelf.relieve) for _ in range(8)]
        assert [each.result(60) for each in relieved] == [True] * 8
    assert shelf.total_bytes == 100 * (RELIEF_SHARE * 2 - 2)
