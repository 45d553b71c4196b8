"""A file that leaves the cache while it is read is read to its end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror.cache import DiskCache
from mirror.fetch import FileLimits, FileService
from mirror.model import File, FileRef, HeldFile
from mirror.names import ProjectName
from mirror.ports import Arriving
from tests.memory import MemoryUpstream, taken
from tests.mirror.test_cache import keep
from tests.mirror.test_fetch import MemoryLedger, content

SIZE = 300 * 1024


@dataclass
class Narrow:
    """A service over a cache that has room for one file."""

    cache: DiskCache
    upstream: MemoryUpstream
    files: FileService

    async def arriving(self, data: bytes) -> tuple[FileRef, Arriving]:
        """Begin to fetch a file of these bytes."""
        file: File = self.upstream.add("demo", "demo-1.tar.gz", data)
        ref = FileRef(source="memory", project=ProjectName("demo"), file=file)
        answer = await self.files.obtain(ref)
        assert not isinstance(answer, HeldFile)
        return ref, answer

    async def evicted(self, ref: FileRef) -> None:
        """Let the file land, and another one take its place."""
        held = await self.files._whole(ref)
        await self.files._flights.aclose(30)
        await keep(self.cache, content(SIZE, 9))
        assert not held.path.exists()


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Narrow]:
    """Open the cache."""
    cache, upstream = await DiskCache.open(tmp_path, max_bytes=SIZE), MemoryUpstream()
    files = FileService({"memory": upstream}, cache, MemoryLedger(), limits=FileLimits(small_file_bytes=0))
    yield Narrow(cache, upstream, files)
    await files.aclose()
    await cache.aclose()


async def test_who_reads_while_it_arrives_reads_on(narrow: Narrow) -> None:
    """Readers of a download that have begun get all of it, although it has landed and was evicted meanwhile."""
    data = content(SIZE)
    ref, flight = await narrow.arriving(data)
    readers = [flight.chunks(), flight.chunks(1000, SIZE)]
    firsts = [await taken(await anext(reader)) for reader in readers]
    await narrow.evicted(ref)
    rests = [b"".join([await taken(chunk) async for chunk in reader]) for reader in readers]
    assert [first + rest for first, rest in zip(firsts, rests, strict=True)] == [data, data[1000:]]
