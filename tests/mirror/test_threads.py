"""Work that takes long in threads, and readers that are slow, keep nobody else from the disk."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.cache import DiskCache
from mirror.fetch import FileLimits, FileService
from mirror.model import FileRef, HeldFile
from mirror.names import ProjectName
from mirror.ports import Arriving
from tests.memory import MemoryUpstream, taken
from tests.mirror.test_cache import crash, digest, keep
from tests.mirror.test_fetch import MemoryLedger, content

KIB = 1024
MANY = 64
"""More than there are threads for everybody."""


@contextmanager
def _endless(paths: list[Path]) -> Iterator[None]:
    """Let files be such that whoever reads them waits until the block ends."""
    for path in paths:
        path.unlink()
        os.mkfifo(path)
    try:
        yield
    finally:
        for path in paths:
            descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # whoever waits to open it goes on
            path.unlink()  # and who comes later finds nothing
            os.close(descriptor)


async def test_hashing_after_a_crash_keeps_nobody_from_the_disk(tmp_path: Path) -> None:
    """While many large files are hashed because of a crash, what is not in doubt is found, read and kept."""
    cache = await DiskCache.open(tmp_path, max_bytes=1000 * KIB)
    doubtful = [await keep(cache, number.to_bytes(100)) for number in range(MANY)]
    await crash(cache)
    after = await DiskCache.open(tmp_path, max_bytes=1000 * KIB)
    with _endless([held.path for held in doubtful]):
        looking = [asyncio.create_task(after.find(held.sha256)) for held in doubtful]
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            metadata = await after.keep_metadata(b"Name: demo")
            assert await after.read_metadata(metadata) == b"Name: demo"
            held = await keep(after, b"wheel")
            assert await after.find(held.sha256) == held
        assert not any(task.done() for task in looking)
    assert await asyncio.gather(*looking) == [None] * MANY
    await after.aclose()


async def test_two_hundred_slow_readers_keep_nobody_from_the_disk(tmp_path: Path) -> None:
    """While two hundred readers of cold files stand still, another file is fetched, read, kept and given from the disk."""
    cache = await DiskCache.open(tmp_path, max_bytes=10_000 * KIB)
    upstream, ledger = MemoryUpstream(), MemoryLedger()
    slow, other = content(300 * KIB), content(200 * KIB, 1)
    refs = [
        FileRef(source="memory", project=ProjectName("demo"), file=upstream.add("demo", name, data))
        for name, data in (("slow-1.tar.gz", slow), ("other-1.tar.gz", other))
    ]
    files = FileService({"memory": upstream}, cache, ledger, limits=FileLimits(small_file_bytes=0))

    async def arriving() -> Arriving:
        answer = await files.obtain(refs[0])
        assert not isinstance(answer, HeldFile)
        return answer

    flights = await asyncio.gather(*(arriving() for _ in range(200)))
    readers = [flight.chunks() for flight in flights]
    firsts = await asyncio.gather(*(anext(reader) for reader in readers))
    pieces = [chunk.pieces(0) for chunk in firsts if not isinstance(chunk, bytes)]
    assert len(pieces) == 200
    begun = await asyncio.gather(*(anext(each) for each in pieces))
    async with asyncio.timeout(30):
        for _ in range(2):
            answer = await files.obtain(refs[1])
            if isinstance(answer, HeldFile):
                assert await asyncio.to_thread(answer.path.read_bytes) == other
            else:
                assert b"".join([await taken(chunk) async for chunk in answer.chunks()]) == other
            assert (await files._whole(refs[1])).sha256 == digest(other)
    assert all(slow.startswith(piece) for piece in begun)
    for reader, each in zip(readers, pieces, strict=True):
        await each.aclose()  # type: ignore[attr-defined]
        rest = [await taken(chunk) async for chunk in reader]
        assert slow.endswith(b"".join(rest))
    await files.aclose(30)
    await cache.aclose()
