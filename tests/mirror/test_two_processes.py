"""Two file services over one cache folder and one store, as two workers of a machine have them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from mirror.cache import DiskCache
from mirror.errors import Corrupt
from mirror.fetch import FileService
from mirror.ledger import StoreLedger
from mirror.model import File, FileRef, HeldFile
from mirror.names import ProjectName, Sha256
from mirror.stores.memory import MemoryStore
from tests import wheels
from tests.memory import MemoryUpstream

DEMO = ProjectName("demo")
SDIST = "demo-1.0.tar.gz"
MAX_BYTES = 50_000
FIRST, OTHER = b"first " * 1000, b"other " * 1000


@dataclass
class Pair:
    """What two workers have in common, and each of them."""

    store: MemoryStore = field(default_factory=MemoryStore)
    upstream: MemoryUpstream = field(default_factory=MemoryUpstream)
    caches: list[DiskCache] = field(default_factory=list)
    ledgers: list[StoreLedger] = field(default_factory=list)
    services: list[FileService] = field(default_factory=list)

    async def get(self, worker: int, file: File) -> bytes:
        """Ask one worker for a file."""
        held = await self.services[worker].obtain(FileRef(source="memory", project=DEMO, file=file))
        assert isinstance(held, HeldFile)
        return held.path.read_bytes()

    async def learned(self) -> None:
        """Wait until what was fetched is written down."""
        async with asyncio.timeout(20):
            while not await StoreLedger(self.store).learned("memory", DEMO):  # noqa: ASYNC110  (a store tells nobody)
                await asyncio.sleep(0)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Give two workers."""
    pair = Pair()
    for _ in range(2):
        cache = await DiskCache.open(tmp_path, max_bytes=MAX_BYTES)
        ledger = StoreLedger(pair.store)
        pair.caches.append(cache)
        pair.ledgers.append(ledger)
        pair.services.append(FileService({"memory": pair.upstream}, cache, ledger))
    yield pair
    for service, cache in zip(pair.services, pair.caches, strict=True):
        await service.aclose(5)
        await cache.aclose()


@pytest.mark.parametrize("listed_hash", [True, False])
async def test_both_at_once_ask_the_upstream_once(pair: Pair, *, listed_hash: bool) -> None:
    """When both workers are asked for a file at one moment one of them fetches it, also when nobody knows its digest."""
    file = pair.upstream.add("demo", SDIST, FIRST, listed_hash=listed_hash)
    assert set(await asyncio.gather(pair.get(0, file), pair.get(1, file))) == {FIRST}
    assert pair.upstream.calls == {"file": 1}


async def test_both_at_once_ask_for_metadata_once(pair: Pair) -> None:
    """When both workers are asked for the metadata of a wheel that neither holds, one of them asks the upstream for it."""
    wheel = wheels.wheel("demo", "1.0")
    file = pair.upstream.add(
        "demo", wheel.filename, wheel.data, core_metadata={"sha256": sha256(wheel.metadata).hexdigest()}
    )
    pair.upstream.sidecars[file.url] = wheel.metadata
    ref = FileRef(source="memory", project=DEMO, file=file)
    assert set(await asyncio.gather(*(service.metadata(ref) for service in pair.services))) == {
        wheel.metadata
    }
    assert pair.upstream.calls == {"metadata": 1}


async def test_what_one_has_fetched_the_other_finds(pair: Pair) -> None:
    """A file that one worker fetched is given by the other without a request."""
    file = pair.upstream.add("demo", SDIST, FIRST)
    assert await pair.get(0, file) == FIRST
    assert await pair.get(1, file) == FIRST
    assert pair.upstream.calls == {"file": 1}


async def test_bytes_that_one_has_pinned_the_other_gives(pair: Pair) -> None:
    """A file without a digest is, for every worker, what the first one saw, though others have an old ledger in memory."""
    file = pair.upstream.add("demo", SDIST, FIRST, listed_hash=False)
    assert [await ledger.learned("memory", DEMO) for ledger in pair.ledgers] == [{}, {}]
    assert await pair.get(0, file) == FIRST
    await pair.learned()
    pair.upstream.contents[file.url] = OTHER
    assert await pair.get(1, file) == FIRST
    assert pair.upstream.calls == {"file": 1}


async def test_bytes_that_one_has_pinned_nobody_replaces(pair: Pair) -> None:
    """When the pinned bytes are not held any more, other ones that came instead are refused by every worker."""
    file = pair.upstream.add("demo", SDIST, FIRST, listed_hash=False)
    assert [await ledger.learned("memory", DEMO) for ledger in pair.ledgers] == [{}, {}]
    assert await pair.get(0, file) == FIRST
    await pair.learned()
    held = await pair.caches[0].find(Sha256(sha256(FIRST).hexdigest()))
    assert held is not None
    held.path.unlink()
    pair.upstream.contents[file.url] = OTHER
    for worker in (1, 0):
        with pytest.raises(Corrupt):
            await pair.get(worker, file)


async def test_the_bound_holds_for_both_together(pair: Pair, tmp_path: Path) -> None:
    """Two workers that fill one cache in turn keep it within its bound, but for what they have not told each other yet."""
    for number in range(60):
        data = number.to_bytes(2) * 1000
        file = pair.upstream.add("demo", f"demo-{number}.tar.gz", data)
        assert await pair.get(number % 2, file) == data
    held = [path for path in (tmp_path / "files-v1").rglob("*") if path.is_file()]
    assert MAX_BYTES - 2_000 <= sum(path.stat().st_size for path in held) <= MAX_BYTES * 1.1
