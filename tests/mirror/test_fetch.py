"""The file service: held, joined, relayed or fetched; asked for once; verified; and honest when it cannot."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from mirror.cache import DiskCache
from mirror.errors import Corrupt, FileNotFound, Rejected, StoreError, Throttled, Unreachable, WheelkeepError
from mirror.events import Event, FileLooked, FlightEnded, LearningFailed
from mirror.fetch import FileLimits, FileService
from mirror.fetch.relay import Relay
from mirror.model import File, FileRef, HeldFile, Learned
from mirror.names import ProjectName, Sha256
from mirror.ports import Arriving
from mirror.upstream.client import UpstreamClient
from mirror.upstream.credentials import Connections
from tests import wheels
from tests.disk import largest_file
from tests.memory import MemoryBody, MemoryUpstream, taken
from tests.simulator import Simulator, faults

KIB = 1024
DEMO = ProjectName("demo")
SDIST = "demo-1.0.tar.gz"
LIMITS = FileLimits(
    small_file_bytes=16 * KIB,
    relay_from_bytes=512 * KIB,
    max_file_bytes=10_000_000,
    resume_pauses_seconds=(0, 0, 0),
)


def content(size: int, seed: int = 0) -> bytes:
    """Make bytes that repeat nowhere."""
    return random.Random(seed).randbytes(size)  # noqa: S311


def sha256(data: bytes) -> str:
    """Give the digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class MemoryLedger:
    """A ledger in a dictionary; `failure`, while it is set, is raised by every call; `read_only` refuses to learn."""

    facts: dict[tuple[str, ProjectName], dict[str, Learned]] = field(default_factory=dict)
    failure: StoreError | None = None
    read_only: bool = False

    async def learned(self, source: str, project: ProjectName, *, now: bool = False) -> dict[str, Learned]:
        """Give what is known of a project's files."""
        if self.failure is not None:
            raise self.failure
        return self.facts.get((source, project), {})

    async def learn(
        self, source: str, project: ProjectName, filename: str, facts: Learned, *, replace: bool = False
    ) -> Learned:
        """Add what a file taught."""
        if self.read_only:
            raise StoreError("The store is read-only.")
        known = await self.learned(source, project)
        if filename in known and not replace:
            return known[filename]
        self.facts[source, project] = known | {filename: facts}
        return facts


@dataclass
class Meddler(MemoryUpstream):
    """An upstream that tells what is asked, counts what flows, and whose answers a test may change."""

    meddle: Callable[[MemoryBody], None] = lambda _body: None
    asked: list[tuple[int, int | None]] = field(default_factory=list)
    open_bodies: int = 0

    @asynccontextmanager
    async def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AsyncIterator[MemoryBody]:
        """Give a file or a part of it, meddled with."""
        self.asked.append((start, stop))
        async with super().open_file(url, start=start, stop=stop, validator=validator) as body:
            self.meddle(body)
            self.open_bodies += 1
            try:
                yield body
            finally:
                self.open_bodies -= 1


@dataclass
class Slow(Meddler):
    """An upstream that begins to answer for files once it is released."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AsyncIterator[MemoryBody]:
        """Give a file or a part of it, when the test says so."""
        self.reached.set()
        await self.released.wait()
        async with super().open_file(url, start=start, stop=stop, validator=validator) as body:
            yield body


@dataclass
class House:
    """A file service with its neighbours."""

    root: Path
    upstream: Meddler = field(default_factory=Meddler)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    events: list[Event] = field(default_factory=list)
    now: float = 0.0
    kind: type[DiskCache] = DiskCache

    async def start(self) -> None:
        """Open the cache, as a process does when it starts."""
        self.cache = await self.kind.open(self.root, max_bytes=50_000_000)
        self.files = FileService(
            {"memory": self.upstream},
            self.cache,
            self.ledger,
            observer=self.events.append,
            limits=LIMITS,
            monotonic=lambda: self.now,
        )

    async def stop(self, seconds: float = 5) -> None:
        """Stop as a process does; nothing of ours may be left."""
        await self.files.aclose(seconds)
        assert [path.name for path in self.cache.spool().parent.iterdir()] == ["in-use"]
        assert self.upstream.open_bodies == 0
        await self.cache.aclose()

    async def restart(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()

    def looks(self) -> list[str]:
        """Tell how the look-ups went."""
        return [event.outcome for event in self.events if isinstance(event, FileLooked)]

    async def landed(self) -> None:
        """Wait until every flight has ended and has taught what it had to."""
        await until(lambda: not self.files._flights._tasks)


def descriptors() -> int:
    """Count the open files of this process, where the system tells them."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give a house, and leave nothing open behind."""
    before = descriptors()
    built = House(tmp_path)
    await built.start()
    yield built
    await built.stop()
    assert descriptors() == before


def ref(file: File, *, source: str = "memory", reachable: bool = True) -> FileRef:
    """Locate a file."""
    return FileRef(source=source, project=DEMO, file=file, reachable=reachable)


async def read(answer: HeldFile | Arriving, start: int = 0, stop: int | None = None) -> bytes:
    """Read what the service gave, as the face would."""
    if isinstance(answer, HeldFile):
        return answer.path.read_bytes()[start:stop]
    return b"".join([await taken(chunk) async for chunk in answer.chunks(start, stop)])


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until a condition holds."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.0005)
    raise AssertionError("It did not come to pass.")


async def test_a_small_file_is_verified_before_it_is_given(house: House) -> None:
    """A small file comes as a verified file on the disk, after one request; then it is held."""
    data = content(10_000)
    file = house.upstream.add("demo", SDIST, data)
    answer = await house.files.obtain(ref(file))
    assert isinstance(answer, HeldFile)
    assert await read(answer) == data
    assert await house.files.obtain(ref(file)) == answer
    assert house.upstream.calls == {"file": 1}
    assert house.looks() == ["miss", "hit"]


async def test_a_full_disk_does_not_keep_a_small_file_from_who_asks(house: House) -> None:
    """A small file that cannot be kept is given all the same, verified, each time that it is asked for."""
    data = content(10 * KIB)
    file = house.upstream.add("demo", SDIST, data)
    with largest_file(0):
        for _ in range(2):
            assert await read(await house.files.obtain(ref(file))) == data
            await house.landed()
        house.upstream.contents[file.url] = content(10 * KIB, seed=1)
        with pytest.raises(Corrupt):
            await house.files.obtain(ref(file))
        await house.landed()
    assert house.cache.total_bytes == 0


async def test_a_large_file_is_given_as_it_arrives(house: House) -> None:
    """A large file comes while it is still on its way, with its size and a tag that is not its digest."""
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    house.upstream.gate = asyncio.Semaphore(0)
    answer = await house.files.obtain(ref(file))
    assert not isinstance(answer, HeldFile)
    assert answer.size == len(data)
    assert answer.tag.startswith("u-")
    assert await house.files.held(ref(file)) is None
    for _ in range(5):
        house.upstream.gate.release()
    assert await read(answer) == data


async def test_many_ask_and_the_upstream_is_asked_once(house: House) -> None:
    """Fifty at once for a cold file get every byte from one request, also those who come while it lands."""
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)

    async def client(delay: int) -> bytes:
        for _ in range(delay):
            await asyncio.sleep(0)
        return await read(await house.files.obtain(ref(file)))

    assert await asyncio.gather(*(client(n * 3) for n in range(50))) == [data] * 50
    assert house.upstream.calls == {"file": 1}
    assert set(house.looks()) <= {"miss", "joined", "hit"}


class Counting(DiskCache):
    """A disk that counts how often it is looked at."""

    looks = 0

    async def find(self, sha256: Sha256, size: int | None = None) -> HeldFile | None:
        """Give the file of this digest, or None."""
        self.looks += 1
        return await super().find(sha256, size)


async def test_who_asks_at_once_has_one_look_at_the_disk(tmp_path: Path) -> None:
    """Of fifty who ask for one file in one moment one looks for it, cold and held alike."""
    house = House(tmp_path, kind=Counting)
    await house.start()
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    assert isinstance(house.cache, Counting)
    for most in (2, 1):  # the flight looks once more, since the file may have landed meanwhile
        house.cache.looks = 0
        answers = await asyncio.gather(*(house.files.obtain(ref(file)) for _ in range(50)))
        assert house.cache.looks == most
        assert [await read(answer) for answer in answers] == [data] * 50
        await house.landed()
    await house.stop()


async def test_who_missed_the_landing_does_not_download_again(house: House) -> None:
    """A file that landed between somebody's look and its request is found, not fetched a second time."""
    file = house.upstream.add("demo", SDIST, content(1000))
    await house.files.obtain(ref(file))
    await house.landed()
    flight = await house.files._join(ref(file))
    assert (await flight.landed()).sha256 == file.sha256
    assert house.upstream.calls == {"file": 1}


async def test_the_first_client_leaves(house: House) -> None:
    """When the request that began a download is cancelled the others are served, and the file lands."""
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    house.upstream.gate = asyncio.Semaphore(1)

    async def client() -> bytes:
        return await read(await house.files.obtain(ref(file)))

    leader, other = asyncio.create_task(client()), asyncio.create_task(client())
    await until(lambda: house.looks() == ["miss", "joined"])
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    for _ in range(4):
        house.upstream.gate.release()
    assert await other == data
    assert house.upstream.calls == {"file": 1}


async def test_no_more_downloads_than_allowed(house: House) -> None:
    """With as many under way as may be, another is refused for a moment; who joins one, or asks for what is held, is served."""
    house.files._limits = replace(LIMITS, flights=1)
    held = house.upstream.add("demo", "demo-0.9.tar.gz", content(1000, 1))
    assert await read(await house.files.obtain(ref(held))) == content(1000, 1)
    await house.landed()
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    other = house.upstream.add("demo", "demo-2.0.tar.gz", content(1000, 2))
    house.upstream.gate = asyncio.Semaphore(0)
    clients = [asyncio.create_task(house.files.obtain(ref(file))) for _ in range(2)]
    await until(lambda: house.looks()[-2:] == ["miss", "joined"])
    with pytest.raises(Throttled, match="1 files of upstreams are under way") as refused:
        await house.files.obtain(ref(other))
    assert refused.value.retry_after
    assert await read(await house.files.obtain(ref(held))) == content(1000, 1)
    for _ in range(20):
        house.upstream.gate.release()
    assert [await read(await client) for client in clients] == [data, data]
    await house.landed()
    assert await read(await house.files.obtain(ref(other))) == content(1000, 2)


async def test_a_file_that_is_gone_is_said_before_any_byte(house: House) -> None:
    """What the upstream answers instead of a file is raised by `obtain`, not by the reading; then it is asked again."""
    file = house.upstream.add("demo", SDIST, content(300_000))
    data = house.upstream.contents.pop(file.url)
    with pytest.raises(FileNotFound):
        await house.files.obtain(ref(file))
    house.upstream.failure = Rejected("memory", "Wrong password.")
    with pytest.raises(Rejected):
        await house.files.obtain(ref(file))
    house.upstream.failure = None
    house.upstream.contents[file.url] = data
    assert await read(await house.files.obtain(ref(file))) == data


async def test_a_file_in_memory_is_given_at_once(tmp_path: Path) -> None:
    """A small file that was given a moment ago is given again without a task, a thread or a wait, so that a face need not wait either."""
    cache = await DiskCache.open(tmp_path, max_bytes=50_000_000, memory_bytes=1_000_000)
    upstream = Meddler()
    files = FileService({"memory": upstream}, cache, MemoryLedger())
    file = upstream.add("demo", SDIST, content(10_000))
    ref = FileRef(source="memory", project=DEMO, file=file)
    await files.obtain(ref)
    await files.obtain(ref)
    again = files.obtain(ref)
    with pytest.raises(StopIteration) as ended:
        again.send(None)
    assert ended.value.value.body == content(10_000)
    await files.aclose()
    await cache.aclose()


async def test_a_restart_finds_the_file_with_the_upstream_down(house: House) -> None:
    """A file once seen is served after a restart, without and with a listed digest, and nobody outside is asked."""
    listed = house.upstream.add("demo", SDIST, content(300_000))
    unlisted = house.upstream.add("demo", "demo-2.0.tar.gz", content(1000, 2), listed_hash=False)
    for file in (listed, unlisted):
        await read(await house.files.obtain(ref(file)))
    await house.restart()
    house.upstream.failure = Unreachable("memory", "It is down.")
    house.upstream.calls.clear()
    for file in (listed, unlisted):
        for reachable in (True, False):
            assert isinstance(await house.files.obtain(ref(file, reachable=reachable)), HeldFile)
            assert await house.files.held(ref(file)) is not None
    assert house.upstream.calls == {}


@pytest.mark.parametrize("ask", ["obtain", "size", "part", "metadata"])
async def test_offline_asks_nobody(house: House, ask: str) -> None:
    """In an offline index a file that is not held is not there, and its upstream is not asked, whatever is wanted of it."""
    wheel = wheels.wheel("demo", "1.0")
    listed = {"sha256": sha256(wheel.metadata)}
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=listed)
    for gone in (
        ref(file, reachable=False),
        ref(file, source="private"),
        ref(msgspec.structs.replace(file, url="")),
    ):
        arguments = (0, 1) if ask == "part" else ()
        with pytest.raises(FileNotFound, match=r"held|metadata"):
            await getattr(house.files, ask)(gone, *arguments)
    assert house.upstream.calls == {}


async def test_a_wrong_file_is_refused_for_a_minute(house: House) -> None:
    """A file that came wrong twice is `Corrupt` for all, is not kept, and its upstream is left alone for 60 seconds."""
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    house.upstream.contents[file.url] = data[:-1] + b"?"
    for _ in range(2):
        answer = await house.files.obtain(ref(file))
        with pytest.raises(Corrupt):
            await read(answer)
    house.upstream.contents[file.url] = data
    house.now = 59
    for ask in (house.files.obtain, house.files.size):
        with pytest.raises(Corrupt):
            await ask(ref(file))
    assert house.upstream.calls == {"file": 2}
    house.now = 61
    assert await read(await house.files.obtain(ref(file))) == data


async def test_what_came_wrong_once_may_be_asked_for_again(house: House) -> None:
    """One wrong download does not keep a client's own retry from getting the right file."""
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    house.upstream.contents[file.url] = data[:-1] + b"?"
    with pytest.raises(Corrupt):
        await read(await house.files.obtain(ref(file)))
    house.upstream.contents[file.url] = data
    assert await read(await house.files.obtain(ref(file))) == data


async def test_a_file_without_a_digest_is_pinned(house: House) -> None:
    """What arrived first under a name that the index gives no digest for is what the name means from then on."""
    first = content(1000)
    file = house.upstream.add("demo", SDIST, first, listed_hash=False, listed_size=False)
    held = await house.files.obtain(ref(file))
    assert isinstance(held, HeldFile)
    await house.landed()
    assert house.ledger.facts["memory", DEMO][SDIST] == Learned(sha256=Sha256(sha256(first)), size=1000)
    held.path.unlink()
    house.upstream.contents[file.url] = content(1000, 1)
    with pytest.raises(Corrupt, match="promised"):
        await house.files.obtain(ref(file))


async def test_a_wheel_teaches_its_metadata(house: House) -> None:
    """A wheel that landed is in the ledger with the digest of its metadata, which is then held."""
    wheel = wheels.wheel("demo", "1.0")
    file = house.upstream.add("demo", wheel.filename, wheel.data)
    await house.files.obtain(ref(file))
    await house.landed()
    facts = house.ledger.facts["memory", DEMO][wheel.filename]
    assert facts.metadata_sha256 == sha256(wheel.metadata)
    assert await house.files.metadata(ref(file, reachable=False)) == wheel.metadata
    assert house.upstream.calls == {"file": 1}


async def test_a_ledger_that_fails_fails_no_download(house: House) -> None:
    """When the ledger cannot be written the file is served, that is told, and it is learned when next asked for."""
    wheel = wheels.wheel("demo", "1.0")
    file = house.upstream.add("demo", wheel.filename, wheel.data)
    house.ledger.failure = StoreError("The store is down.")
    assert await read(await house.files.obtain(ref(file))) == wheel.data
    await house.landed()
    assert LearningFailed("memory", "The store is down.") in house.events
    house.ledger.failure = None
    assert isinstance(await house.files.obtain(ref(file)), HeldFile)
    await until(lambda: ("memory", DEMO) in house.ledger.facts)
    assert house.ledger.facts["memory", DEMO][wheel.filename].metadata_sha256 == sha256(wheel.metadata)


async def test_an_unwritten_lesson_still_pins(house: House) -> None:
    """A file without a listed digest whose lesson could not be written is held all the same, and asked for once."""
    file = house.upstream.add("demo", SDIST, content(1000), listed_hash=False)
    house.ledger.read_only = True
    await house.files.obtain(ref(file))
    await house.landed()
    assert isinstance(await house.files.obtain(ref(file)), HeldFile)
    assert house.upstream.calls == {"file": 1}
    house.ledger.read_only = False
    await house.files.held(ref(file))
    await until(lambda: SDIST in house.ledger.facts.get(("memory", DEMO), {}))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (900_000, 1_000_000), (1_000, 500_000)])
async def test_a_part_of_a_large_cold_file_is_relayed(house: House, start: int, stop: int) -> None:
    """Of a large file that is not held exactly the bytes that were asked for come from the upstream."""
    data = content(1_000_000)
    file = house.upstream.add("demo", SDIST, data)
    answer = await house.files.part(ref(file), start, stop)
    assert not isinstance(answer, HeldFile)
    assert answer.tag.startswith("u-")
    assert answer.size == len(data)
    assert await read(answer, start, stop) == data[start:stop]
    assert house.upstream.asked == [(start, stop)]
    assert house.looks() == ["relayed"]
    assert await house.files.held(ref(file)) is None


async def test_a_part_of_a_small_cold_file_pulls_it_whole(house: House) -> None:
    """Of a file that is not large the whole is pulled, once, and the part is taken from it."""
    data = content(100_000)
    file = house.upstream.add("demo", SDIST, data)
    assert await read(await house.files.part(ref(file), 10, 20), 10, 20) == data[10:20]
    await house.landed()
    assert await read(await house.files.part(ref(file), 99_990, 100_000), 99_990, 100_000) == data[-10:]
    assert house.upstream.calls == {"file": 1}


async def test_without_ranges_a_part_waits_for_the_flight(house: House) -> None:
    """An upstream that gives the whole file for a range is asked for the whole file, which then is held."""
    data = content(1_000_000)
    house.upstream.ranges = False
    file = house.upstream.add("demo", SDIST, data)
    assert (
        await read(await house.files.part(ref(file), 700_000, 700_010), 700_000, 700_010)
        == data[700_000:700_010]
    )
    await house.landed()
    assert await house.files.held(ref(file)) is not None


async def test_a_part_that_a_flight_has_already_is_taken_from_it(house: House) -> None:
    """While a large file is on its way, a part that is there costs no request; one that is far ahead is relayed."""
    data = content(1_000_000)
    file = house.upstream.add("demo", SDIST, data)
    gate = house.upstream.gate = asyncio.Semaphore(4)
    whole = await house.files.obtain(ref(file))
    await until(lambda: house.files._flights.get(sha256(data)).released == 256 * KIB)  # type: ignore[union-attr]
    assert await read(await house.files.part(ref(file), 1000, 2000), 1000, 2000) == data[1000:2000]
    house.upstream.gate = None
    assert (
        await read(await house.files.part(ref(file), 900_000, 900_100), 900_000, 900_100)
        == data[900_000:900_100]
    )
    assert house.upstream.asked == [(0, None), (900_000, 900_100)]
    for _ in range(20):
        gate.release()
    assert await read(whole) == data


async def test_a_relay_that_breaks_is_an_error(house: House) -> None:
    """A relayed part that comes short raises, so that no client takes it for whole; the connection is given back."""
    file = house.upstream.add("demo", SDIST, content(1_000_000))
    house.upstream.cut_after = 64 * KIB
    answer = await house.files.part(ref(file), 0, 500_000)
    with pytest.raises(Unreachable):
        await read(answer, 0, 500_000)

    def shorten(body: MemoryBody) -> None:
        body.data = body.data[:1000]

    house.upstream.meddle = shorten
    answer = await house.files.part(ref(file), 0, 500_000)
    with pytest.raises(Unreachable):
        await read(answer, 0, 500_000)
    assert house.upstream.open_bodies == 0


async def test_a_relay_of_a_file_of_another_size_is_corrupt(house: House) -> None:
    """A part of a file whose size is not the listed one is not passed on."""
    file = house.upstream.add("demo", SDIST, content(1_000_000), size=1_000_001)
    with pytest.raises(Corrupt):
        await house.files.part(ref(file), 0, 500_000)


async def test_a_relay_that_nobody_reads_is_given_back(house: House) -> None:
    """A relay whose client was gone before the first byte keeps the upstream's connection neither for long nor at the end."""
    file = house.upstream.add("demo", SDIST, content(1_000_000))
    await house.files.part(ref(file), 0, 500_000)
    other = await house.files.part(ref(file), 0, 500_000)
    assert house.upstream.open_bodies == 2
    assert isinstance(other, Relay)
    other._give_up()
    await until(lambda: house.upstream.open_bodies == 1)
    await house.files.aclose()
    assert house.upstream.open_bodies == 0


async def test_the_size_is_known_without_a_download(house: House) -> None:
    """The size is listed, or asked for with one byte, once however many ask, and then remembered for a while."""
    listed = house.upstream.add("demo", SDIST, content(5000))
    assert await house.files.size(ref(listed)) == 5000
    assert house.upstream.asked == []
    unlisted = house.upstream.add("demo", "demo-2.0.tar.gz", content(6000), listed_size=False)
    assert await asyncio.gather(*(house.files.size(ref(unlisted)) for _ in range(10))) == [6000] * 10
    assert await house.files.size(ref(unlisted)) == 6000
    assert house.upstream.asked == [(0, 1)]


async def test_the_size_of_a_file_that_is_on_its_way_or_here_costs_nothing(house: House) -> None:
    """A flight knows the size, and so does the held file, also when the ledger alone remembers it."""
    file = house.upstream.add("demo", SDIST, content(300_000), listed_size=False)
    house.upstream.gate = asyncio.Semaphore(0)
    answer = await house.files.obtain(ref(file))
    assert await house.files.size(ref(file)) == 300_000
    for _ in range(10):
        house.upstream.gate.release()
    await read(answer)
    await house.landed()
    held = await house.files.held(ref(file))
    assert held is not None
    held.path.unlink()
    assert await house.files.size(ref(file)) == 300_000
    assert house.upstream.asked == [(0, None)]


async def test_a_size_that_nobody_tells_is_measured(house: House) -> None:
    """When neither the index nor the upstream tells the size, and for an empty file, the whole file tells it."""

    def forget_size(body: MemoryBody) -> None:
        body.total = None

    house.upstream.meddle = forget_size
    file = house.upstream.add("demo", SDIST, content(5000), listed_size=False)
    assert await house.files.size(ref(file)) == 5000


async def test_a_verified_sidecar_is_served_and_kept(house: House) -> None:
    """Metadata with a listed digest comes from the sidecar, once however many ask, and is held from then on."""
    wheel = wheels.wheel("demo", "1.0")
    listed = {"sha256": sha256(wheel.metadata)}
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=listed)
    house.upstream.sidecars[file.url] = wheel.metadata
    answers = await asyncio.gather(*(house.files.metadata(ref(file)) for _ in range(10)))
    assert answers == [wheel.metadata] * 10
    await house.restart()
    house.upstream.failure = Unreachable("memory", "It is down.")
    assert await house.files.metadata(ref(file, reachable=False)) == wheel.metadata
    assert house.upstream.calls == {"metadata": 1}
    assert sorted(set(house.looks())) == ["hit", "joined", "miss"]


@pytest.mark.parametrize("sidecar", [b"Name: evil\n", None])
@pytest.mark.parametrize("with_digest", [True, False])
async def test_a_wrong_or_lost_sidecar_is_replaced_by_the_wheel(
    house: House, sidecar: bytes | None, *, with_digest: bool
) -> None:
    """Metadata that is wrong, lost, or listed without a digest is read out of the verified wheel."""
    wheel = wheels.wheel("demo", "1.0")
    listed = {"sha256": sha256(wheel.metadata)} if with_digest else True
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=listed)
    if sidecar is not None:
        house.upstream.sidecars[file.url] = sidecar
    assert await house.files.metadata(ref(file)) == wheel.metadata
    assert house.upstream.calls["file"] == 1
    assert house.upstream.calls["metadata"] == int(with_digest)


async def test_a_failing_upstream_is_no_missing_metadata(house: House) -> None:
    """When the sidecar cannot be had because the upstream fails, that is an error and not "there is none"."""
    wheel = wheels.wheel("demo", "1.0")
    listed = {"sha256": sha256(wheel.metadata)}
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=listed)
    house.upstream.failure = Unreachable("memory", "It is down.")
    with pytest.raises(Unreachable):
        await house.files.metadata(ref(file))


async def test_the_wheel_goes_before_what_is_listed(house: House) -> None:
    """A sidecar that is what the index lists but not what the held wheel says is not served."""
    wheel = wheels.wheel("demo", "1.0")
    listed = {"sha256": sha256(b"Name: evil\n")}
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=listed)
    house.upstream.sidecars[file.url] = b"Name: evil\n"
    await house.files.obtain(ref(file))
    await house.landed()
    assert await house.files.metadata(ref(file)) == wheel.metadata
    assert house.upstream.calls["metadata"] == 0


async def test_metadata_that_was_evicted_comes_from_the_wheel(house: House) -> None:
    """When the cache has lost the metadata of a held wheel it is read again, and nobody is asked."""
    wheel = wheels.wheel("demo", "1.0")
    file = house.upstream.add("demo", wheel.filename, wheel.data)
    await house.files.obtain(ref(file))
    await house.landed()
    key = sha256(wheel.metadata)
    (house.root / "metadata-v1" / "sha256" / key[:2] / key).unlink()
    assert await house.files.metadata(ref(file)) == wheel.metadata
    assert house.upstream.calls == {"file": 1}


class Evicting(DiskCache):
    """A cache from which a file is evicted as soon as somebody was told of it, so many times."""

    times = 0

    async def _evict(self, held: HeldFile | None) -> None:
        if held is not None and self.times:
            self.times -= 1
            await asyncio.to_thread(held.path.unlink)

    async def find(self, sha256: Sha256, size: int | None = None) -> HeldFile | None:
        """Give a file that may be gone."""
        held = await super().find(sha256, size)
        await self._evict(held)
        return held

    async def commit(self, spooled: Path, sha256: Sha256, size: int) -> HeldFile:
        """Keep a file that may be gone."""
        held = await super().commit(spooled, sha256, size)
        await self._evict(held)
        return held


@pytest.mark.parametrize(("times", "fetched"), [(0, 1), (1, 2)])
async def test_a_wheel_that_is_evicted_while_it_is_opened_is_fetched_again(
    tmp_path: Path, times: int, fetched: int
) -> None:
    """Metadata is given although its wheel leaves the disk between the look and the opening."""
    house = House(tmp_path, kind=Evicting)
    await house.start()
    wheel = wheels.wheel("demo", "1.0")
    file = house.upstream.add("demo", wheel.filename, wheel.data)
    await house.files.obtain(ref(file))
    await house.landed()
    await asyncio.to_thread(shutil.rmtree, house.root / "metadata-v1")
    assert isinstance(house.cache, Evicting)
    house.cache.times = times
    assert await house.files.metadata(ref(file)) == wheel.metadata
    assert house.upstream.calls == {"file": fetched}
    await house.stop()


async def test_a_wheel_that_is_evicted_again_and_again_is_a_failure(tmp_path: Path) -> None:
    """Metadata of a wheel that never stays on the disk is no "not found", and what such a wheel taught is not lost silently."""
    house = House(tmp_path, kind=Evicting)
    await house.start()
    wheel = wheels.wheel("demo", "1.0")
    file = house.upstream.add("demo", wheel.filename, wheel.data, core_metadata=True)
    assert isinstance(house.cache, Evicting)
    house.cache.times = 100
    with pytest.raises(StoreError, match="too small"):
        await house.files.metadata(ref(file))
    await house.landed()
    assert any(isinstance(event, LearningFailed) for event in house.events)
    assert not any(str(house.root) in repr(event) for event in house.events)
    await house.stop()


@dataclass
class SlowLedger(MemoryLedger):
    """A ledger that learns once it is released."""

    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def learn(
        self, source: str, project: ProjectName, filename: str, facts: Learned, *, replace: bool = False
    ) -> Learned:
        """Add what a file taught, later."""
        await self.released.wait()
        return await super().learn(source, project, filename, facts, replace=replace)


@pytest.mark.parametrize("listed_hash", [True, False])
async def test_a_file_that_is_evicted_as_soon_as_it_landed_is_fetched_again(
    tmp_path: Path, *, listed_hash: bool
) -> None:
    """Who asks for a file that has left the disk gets it, also while what it taught is not written down yet."""
    ledger = SlowLedger()
    house = House(tmp_path, kind=Evicting, ledger=ledger)
    await house.start()
    assert isinstance(house.cache, Evicting)
    file = house.upstream.add("demo", SDIST, content(1000), listed_hash=listed_hash)
    house.cache.times = 1
    gone = await house.files.obtain(ref(file))
    assert isinstance(gone, HeldFile)
    assert not gone.path.exists()
    again = asyncio.create_task(house.files.obtain(ref(file)))
    await until(lambda: len(house.files._flights._tasks) > 1 or again.done())
    ledger.released.set()  # the second flight waits for the end of the first
    assert await read(await again) == content(1000)
    assert await read(await house.files.obtain(ref(file))) == content(1000)
    assert house.upstream.calls == {"file": 2}
    await house.stop()


async def test_what_has_no_metadata_has_none(house: House) -> None:
    """A source distribution, a wheel of which nobody promised any, and a wheel without METADATA give "not found"."""
    sdist = house.upstream.add("demo", SDIST, content(1000), core_metadata=True)
    plain = house.upstream.add("demo", "demo-1.0-py3-none-any.whl", content(1000))
    bare = house.upstream.add("demo", "demo-2.0-py3-none-any.whl", content(1000, 1), core_metadata=True)
    for file in (sdist, plain):
        with pytest.raises(FileNotFound):
            await house.files.metadata(ref(file))
    assert house.upstream.calls == {}
    for _ in range(2):
        with pytest.raises(FileNotFound):
            await house.files.metadata(ref(bare))
    assert house.upstream.calls == {"file": 1}


async def test_two_sources_of_one_file_share_its_bytes(tmp_path: Path) -> None:
    """A file is what its digest says: two sources that list it cost one download between them."""
    house = House(tmp_path)
    await house.start()
    data = content(300_000)
    file = house.upstream.add("demo", SDIST, data)
    other = Meddler(name="other")
    house.files = FileService(
        {"memory": house.upstream, "other": other}, house.cache, house.ledger, limits=LIMITS
    )
    answers = await asyncio.gather(
        house.files.obtain(ref(file)), house.files.obtain(ref(other.add("demo", SDIST, data), source="other"))
    )
    assert [await read(answer) for answer in answers] == [data, data]
    await house.stop()
    assert house.upstream.calls.total() + other.calls.total() == 1


async def test_the_size_of_other_bytes_is_not_remembered(house: House) -> None:
    """When the index lists another digest for a name, neither the size nor a part is judged by the bytes before."""
    before, after = content(600_000), content(700_000, seed=1)
    old = house.upstream.add("demo", SDIST, before, listed_size=False)
    assert await house.files.size(ref(old)) == 600_000
    new = house.upstream.add("demo", SDIST, after, listed_size=False)
    assert await house.files.size(ref(new)) == 700_000
    assert (
        await read(await house.files.part(ref(new), 650_000, 650_010), 650_000, 650_010)
        == after[650_000:650_010]
    )


@pytest.mark.parametrize("size", [1_000, 300_000])
@pytest.mark.parametrize("trouble", ["gone", "down", "lies"])
async def test_a_shared_download_fails_for_its_own_source_alone(
    tmp_path: Path, size: int, trouble: str
) -> None:
    """Who shares the download of another source does not share its failure, which may be its 404: the own source is asked."""
    house = House(tmp_path)
    await house.start()
    data = content(size)
    good, bad = house.upstream, Slow(name="bad")
    broken = bad.add("demo", SDIST, data)
    if trouble == "gone":
        bad.contents.clear()
    elif trouble == "down":
        bad.failure = Unreachable("bad", "The upstream bad is down.")
    else:
        broken = msgspec.structs.replace(broken, size=size - 1)

    def joined(event: Event) -> None:
        if event == FileLooked("memory", "joined"):
            bad.released.set()

    house.files = FileService(
        {"bad": bad, "memory": good}, house.cache, house.ledger, limits=LIMITS, observer=joined
    )
    failing = asyncio.create_task(house.files.obtain(ref(broken, source="bad")))
    await bad.reached.wait()
    answer = await house.files.obtain(ref(good.add("demo", SDIST, data)))
    assert await read(answer) == data
    with pytest.raises(WheelkeepError):
        await failing
    await house.stop()
    assert (bad.calls["file"], good.calls["file"]) == (1, 1)


async def test_every_flight_is_told(house: House) -> None:
    """The observer hears of the end of each flight: its outcome, its bytes, and its time."""
    file = house.upstream.add("demo", SDIST, content(300_000))
    house.upstream.gate = asyncio.Semaphore(0)
    answer = await house.files.obtain(ref(file))
    house.now = 3
    for _ in range(10):
        house.upstream.gate.release()
    await read(answer)
    await house.landed()
    assert [event for event in house.events if isinstance(event, FlightEnded)] == [
        FlightEnded("memory", "committed", 300_000, 3)
    ]


@pytest.mark.parametrize(
    ("once", "then", "lands"),
    [
        (faults.cut(700_000), None, True),
        (faults.cut(1), None, True),
        (faults.reset(700_000), None, True),
        (faults.cut(700_000, chunked=True), None, True),
        (faults.cut(700_000), faults.ignoring_ranges(), True),
        (faults.cut(700_000), faults.reset(), False),
        (faults.until_closed(700_000), None, True),
        (faults.chunked(), None, True),
        (faults.flip(700_000), None, False),
        (faults.cut(700_000), faults.flip(900_000), False),
        (faults.longer(1), None, False),
        (faults.gzip_file(), None, False),
    ],
)
async def test_over_real_http_only_the_right_file_lands(
    house: House, once: faults.Fault, then: faults.Fault | None, *, lands: bool
) -> None:
    """Whatever a server does to a body, readers get the whole right file or an error before its last 64 KiB."""
    data = content(1_000_000)
    async with Simulator() as feed:
        feed.add("demo", SDIST, data)
        feed.misbehave(once, "*.tar.gz", times=1)
        if then is not None:
            feed.misbehave(then, "*.tar.gz")
        client = UpstreamClient("memory", feed.simple_url, connections=Connections(), user_agent="tests")
        async with aclosing(client):
            house.files = FileService({"memory": client}, house.cache, house.ledger, limits=LIMITS)
            url = feed.file_url("demo", SDIST)
            file = File(filename=SDIST, url=url, hashes={"sha256": sha256(data)}, size=len(data))
            result = await whole_or_error(house.files, ref(file))
            await house.landed()
            assert result == (data if lands else None)
            assert (await house.files.held(ref(file)) is not None) == lands


async def whole_or_error(files: FileService, located: FileRef) -> bytes | None:
    """Read a file to its end; None when it could not be had."""
    try:
        return await read(await files.obtain(located))
    except (Corrupt, Unreachable):
        return None
