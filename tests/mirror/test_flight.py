"""Flights: one download for all, the end only with proof, and nothing left behind however it ends."""

import asyncio
import hashlib
import random
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.cache import DiskCache
from mirror.errors import Corrupt, FileNotFound, Refused, StoreError, Throttled, Unreachable, WheelkeepError
from mirror.events import Event, FlightEnded
from mirror.flight import HOLD_BACK_BYTES, Division, Flight, Flights, Origin, Promise
from mirror.flight.overflow import WINDOW_BYTES
from mirror.flight.segments import DIVISION
from mirror.model import File, HeldFile
from mirror.names import Sha256
from mirror.ports import Stretch
from tests import wheels
from tests.disk import largest_file
from tests.memory import MemoryBody, MemoryUpstream, taken

KIB = 1024
NAME = "demo-1.0.tar.gz"


def content(size: int, seed: int = 0) -> bytes:
    """Make bytes that repeat nowhere."""
    return random.Random(seed).randbytes(size)  # noqa: S311


def wrong_at(data: bytes, offset: int) -> bytes:
    """Flip one bit."""
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


@dataclass
class Meddler(MemoryUpstream):
    """An upstream whose answers a test may change before they are read."""

    meddle: Callable[[MemoryBody], None] = lambda _body: None

    @asynccontextmanager
    async def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AsyncIterator[MemoryBody]:
        """Give a file or a part of it, meddled with."""
        async with super().open_file(url, start=start, stop=stop, validator=validator) as body:
            self.meddle(body)
            yield body


@dataclass
class Field:
    """An upstream, a cache, and the flights between them."""

    cache: DiskCache
    root: Path
    upstream: Meddler = field(default_factory=Meddler)
    events: list[Event] = field(default_factory=list)
    now: float = 0.0
    settled: list[HeldFile] = field(default_factory=list)
    max_bytes: int = 10_000_000
    division: Division = DIVISION
    monotonic: Callable[[], float] = lambda: 0.0
    """By which upstreams are found slow: all of them are fast."""

    def __post_init__(self) -> None:
        self.flights = Flights(observer=self.events.append, monotonic=lambda: self.now)

    def launch(self, file: File, *, pauses: tuple[float, ...] = (0, 0, 0)) -> Flight:
        """Send a flight for a file, under the key of its name."""
        flight = Flight(
            Origin(
                upstream=self.upstream,
                url=file.url,
                promise=Promise.of(file, file.sha256),
                max_bytes=self.max_bytes,
                resume_pauses_seconds=pauses,
                division=self.division,
                monotonic=self.monotonic,
            ),
            self.cache.spool(),
            board=self.cache.board(file.filename),
            relieve=self.cache.relieve,
            find=self.find_nothing,
            land=self.cache.commit,
            settle=self.settle,
        )
        self.flights.launch(file.filename, flight, source="memory", file=file.filename)
        return flight

    async def find_nothing(self, sha256: Sha256 | None) -> HeldFile | None:
        """Hold nothing but what another process has just fetched."""
        return None if sha256 is None else await self.cache.find(sha256)

    async def settle(self, held: HeldFile) -> None:
        """Note what has landed."""
        self.settled.append(held)

    def outcomes(self) -> list[str]:
        """Tell how the flights ended."""
        return [event.outcome for event in self.events if isinstance(event, FlightEnded)]

    def leftovers(self) -> list[Path]:
        """List what is in the spool."""
        return [path for path in self.cache.spool().parent.iterdir() if path.name != "in-use"]

    def committed(self) -> list[Path]:
        """List the files of the cache, each of which must be what its name says."""
        found = [path for path in (self.root / "files-v1").rglob("*") if path.is_file()]
        assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in found)
        return found


@asynccontextmanager
async def playing(root: Path) -> AsyncIterator[Field]:
    """Set a field up, and leave nothing behind."""
    cache = await DiskCache.open(root, max_bytes=100_000_000)
    ground = Field(cache, root)
    try:
        yield ground
    finally:
        await ground.flights.aclose(0)
        assert ground.flights.get(NAME) is None
        assert ground.leftovers() == []
        ground.committed()
        await cache.aclose()


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Field]:
    """Give a field whose spool is empty in the end, and whose cache is right."""
    async with playing(tmp_path) as field_:
        yield field_


async def read(flight: Flight, start: int = 0, stop: int | None = None) -> bytes:
    """Read as fast as it comes."""
    return b"".join([await taken(chunk) async for chunk in flight.chunks(start, stop)])


@asynccontextmanager
async def one_busy_thread() -> AsyncIterator[Callable[[], None]]:
    """Let there be one thread for blocking work, busy from the call of what is given until the block ends."""
    loop, free = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    try:
        yield lambda: cast("None", loop.run_in_executor(None, free.wait))
    finally:
        free.set()
        await asyncio.to_thread(free.wait)


def open_files(folder: Path) -> set[str]:
    """Name the files under a folder that this process has open, but for the sign of the session."""
    names = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            names.add(str(link.readlink()))
    return {name for name in names if name.startswith(str(folder)) and not name.endswith("in-use")}


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until a condition holds."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.0005)
    raise AssertionError("It did not come to pass.")


async def test_fifty_readers_cost_one_request(ground: Field) -> None:
    """Fifty readers at once all get every byte, and the upstream is asked once."""
    data = content(1_000_000)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    assert await asyncio.gather(*(read(flight) for _ in range(50))) == [data] * 50
    assert ground.upstream.calls == {"file": 1}
    assert (await flight.landed()).path.read_bytes() == data


async def test_readers_follow_the_growing_file(ground: Field) -> None:
    """A reader gets what has come before the rest has, but never the last 64 KiB before the end is proved."""
    data = content(512 * KIB)
    ground.upstream.gate = asyncio.Semaphore(3)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    got = bytearray()
    async with aclosing(cast("AsyncGenerator[bytes, None]", flight.chunks())) as chunks:
        async for chunk in chunks:
            got += await taken(chunk)
            if len(got) == 192 * KIB:
                break
    assert got == data[: 192 * KIB]
    for _ in range(4):
        ground.upstream.gate.release()
    await until(lambda: flight.received == 448 * KIB)
    await until(lambda: flight.released == 448 * KIB)
    ground.upstream.gate.release()
    await flight.landed()
    assert flight.released == len(data)


async def test_the_last_bytes_wait_for_the_proof(ground: Field) -> None:
    """With all but the last piece there, only what is not the last 64 KiB is given."""
    data = content(256 * KIB)
    ground.upstream.piece = 16 * KIB
    ground.upstream.gate = asyncio.Semaphore(15)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    await until(lambda: flight.received == 240 * KIB)
    reader = asyncio.create_task(read(flight, 0, 193 * KIB))
    await until(lambda: flight.released > 0)
    assert flight.released == len(data) - HOLD_BACK_BYTES
    assert not reader.done()
    ground.upstream.gate.release()
    assert await reader == data[: 193 * KIB]


async def test_without_a_size_the_end_is_withheld_too(ground: Field) -> None:
    """When nobody knows where the file ends, the last 64 KiB of what is there may be its end."""

    def forget_size(body: MemoryBody) -> None:
        body.total = None

    data = content(256 * KIB)
    ground.upstream.meddle = forget_size
    ground.upstream.gate = asyncio.Semaphore(3)
    flight = ground.launch(ground.upstream.add("demo", NAME, data, listed_size=False))
    await until(lambda: flight.received == 192 * KIB)
    await until(lambda: flight.released == 128 * KIB)
    assert flight.size is None
    ground.upstream.gate.release()
    assert await read(flight) == data
    await flight.landed()
    assert flight.size == len(data)


async def test_a_late_reader_begins_at_the_beginning(ground: Field) -> None:
    """Who joins when most is there, or when all is there, gets the whole file."""
    data = content(512 * KIB)
    ground.upstream.gate = asyncio.Semaphore(6)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    await until(lambda: flight.received == 384 * KIB)
    late = asyncio.create_task(read(flight))
    ground.upstream.gate.release()
    ground.upstream.gate.release()
    assert await late == data
    await flight.landed()
    assert await read(flight) == data
    assert await read(flight, 500_000) == data[500_000:]


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (100_000, 300_000), (0, None), (299_999, 300_000), (5, 5)]
)
async def test_any_part_can_be_read(ground: Field, start: int, stop: int | None) -> None:
    """A part is given from its first byte to its last, wherever it lies."""
    data = content(300_000)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    assert await read(flight, start, stop) == data[start:stop]


async def test_a_slow_reader_holds_nobody_up(ground: Field) -> None:
    """A reader that stops in the middle delays neither the flight nor the other readers, and goes on when it likes."""
    data = content(2_000_000)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    slow = flight.chunks()
    first = await taken(await anext(slow))
    assert await read(flight) == data
    await flight.landed()
    rest = b"".join([await taken(chunk) async for chunk in slow])
    assert first + rest == data


async def test_a_cancelled_reader_stops_nothing(ground: Field) -> None:
    """The reader that was first is cancelled; the flight goes on and the others get everything."""
    data = content(512 * KIB)
    ground.upstream.gate = asyncio.Semaphore(2)
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    leader, other = asyncio.create_task(read(flight)), asyncio.create_task(read(flight))
    await until(lambda: flight.received == 128 * KIB)
    leader.cancel()
    await asyncio.gather(leader, return_exceptions=True)
    assert leader.cancelled()
    for _ in range(6):
        ground.upstream.gate.release()
    assert await other == data
    assert ground.upstream.calls == {"file": 1}


async def test_nobody_needs_to_wait(ground: Field) -> None:
    """A flight that nobody reads lands all the same, and what has to be done with the file is done."""
    file = ground.upstream.add("demo", NAME, content(100_000))
    ground.launch(file)
    await until(lambda: ground.flights.get(NAME) is None)
    assert ground.outcomes() == ["committed"]
    assert [held.sha256 for held in ground.settled] == [file.sha256]


async def test_a_reader_that_leaves_at_the_end_leaves_no_open_file(ground: Field) -> None:
    """A client that goes away in the moment in which it has everything does not keep the file open for ever."""
    flight = ground.launch(ground.upstream.add("demo", NAME, content(10 * KIB)))
    await until(lambda: ground.flights.get(NAME) is None)
    async with one_busy_thread() as begin:
        chunks = flight.chunks()
        assert len(await anext(chunks)) == 10 * KIB
        begin()
        last = asyncio.create_task(anext(chunks, None))
        for _ in range(10):
            await asyncio.sleep(0)
        last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    assert open_files(ground.root) == set()


async def test_a_flight_that_is_stopped_in_its_last_moment_leaves_nothing(ground: Field) -> None:
    """A flight that is cancelled while its temporary file is removed removes it all the same."""
    file = ground.upstream.add("demo", NAME, content(10 * KIB))
    landing = asyncio.Event()
    async with one_busy_thread() as begin:

        async def land(*_: object) -> HeldFile:
            begin()
            landing.set()
            raise StoreError("The disk is full.")

        origin = Origin(
            upstream=ground.upstream,
            url=file.url,
            promise=Promise.of(file, file.sha256),
            max_bytes=ground.max_bytes,
        )
        flight = Flight(
            origin,
            ground.cache.spool(),
            board=ground.cache.board(NAME),
            relieve=ground.cache.relieve,
            find=ground.find_nothing,
            land=land,
            settle=ground.settle,
        )
        ground.flights.launch(NAME, flight, source="memory", file=NAME)
        await landing.wait()
        stopping = asyncio.create_task(ground.flights.aclose(0))
        for _ in range(10):
            await asyncio.sleep(0)
    await stopping
    assert ground.leftovers() == []
    assert open_files(ground.root) == set()


async def test_a_flight_that_is_stopped_while_it_opens_its_file_leaves_nothing(ground: Field) -> None:
    """A spool that a thread has yet to open when the flight is stopped is not made after it was removed."""
    async with one_busy_thread() as begin:

        def block(_body: MemoryBody) -> None:
            begin()

        ground.upstream.meddle = block
        flight = ground.launch(ground.upstream.add("demo", NAME, content(10 * KIB)))
        await flight.opened()
        stopping = asyncio.create_task(ground.flights.aclose(0))
        for _ in range(10):
            await asyncio.sleep(0)
    await stopping
    assert ground.leftovers() == []
    assert open_files(ground.root) == set()


async def test_an_empty_file_lands(ground: Field) -> None:
    """A file of no bytes is a file."""
    flight = ground.launch(ground.upstream.add("demo", NAME, b""))
    assert (await flight.landed()).size == 0
    assert await read(flight) == b""


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_cut_body_is_continued(ground: Field, *, ranges: bool) -> None:
    """A body that breaks is continued where it broke; without ranges it is repeated, compared, and continued."""
    data = content(1_000_000)
    ground.upstream.cut_after, ground.upstream.ranges = 400_000, ranges
    flight = ground.launch(ground.upstream.add("demo", NAME, data))
    assert await read(flight) == data
    assert ground.upstream.calls == {"file": 1, "range": 1}
    assert flight.received == (len(data) if ranges else len(data) + 458_752)


@pytest.mark.parametrize("by", [-1000, 1000])
async def test_a_range_that_was_not_asked_for_is_not_glued(ground: Field, by: int) -> None:
    """An answer that continues anywhere but where the body broke is not taken, however often it comes."""

    def shift(body: MemoryBody) -> None:
        body.start += by if body.start else 0

    ground.upstream.meddle = shift
    ground.upstream.cut_after = 400_000
    file = ground.upstream.add("demo", NAME, content(1_000_000), listed_hash=False)
    with pytest.raises(Unreachable, match="another range"):
        await read(ground.launch(file))
    assert ground.upstream.calls == {"file": 1, "range": 3}


async def test_a_range_of_a_changed_file_is_not_glued(ground: Field) -> None:
    """An upstream that honours the range but not `If-Range` shows by its validator that the file is another one."""

    def forget_change(body: MemoryBody) -> None:
        body.validator = '"other"' if body.start else body.validator

    data = content(1_000_000)
    ground.upstream.meddle = forget_change
    ground.upstream.cut_after = 400_000
    flight = ground.launch(ground.upstream.add("demo", NAME, data, listed_hash=False))
    assert await read(flight) == data
    assert ground.upstream.calls == {"file": 2, "range": 1}


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_file_that_changed_is_not_glued(ground: Field, *, ranges: bool) -> None:
    """When the file is another one after the break, readers that had bytes get an error, and nothing is kept."""
    data = content(1_000_000)
    ground.upstream.cut_after, ground.upstream.ranges = 400_000, ranges
    ground.upstream.gate = asyncio.Semaphore(7)
    file = ground.upstream.add("demo", NAME, data, listed_hash=False)
    flight = ground.launch(file)
    await until(lambda: flight.received > 400_000)
    chunks = flight.chunks()
    assert await anext(chunks)
    ground.upstream.contents[file.url] = content(1_000_000, seed=1)
    for _ in range(30):
        ground.upstream.gate.release()
    with pytest.raises(Unreachable, match="changed"):
        async for _ in chunks:
            pass
    await until(lambda: ground.flights.get(NAME) is None)
    assert ground.committed() == []


async def test_a_file_that_changed_begins_again_unseen(ground: Field) -> None:
    """When nobody was given a byte yet, a file that changed after the break is simply begun again."""
    new = content(1_000_000, seed=1)
    ground.upstream.cut_after = 400_000
    ground.upstream.gate = asyncio.Semaphore(7)
    file = ground.upstream.add("demo", NAME, content(1_000_000), listed_hash=False)
    flight = ground.launch(file)
    await until(lambda: flight.received > 400_000)
    ground.upstream.contents[file.url] = new
    for _ in range(30):
        ground.upstream.gate.release()
    assert (await flight.landed()).path.read_bytes() == new


async def test_it_gives_up_after_its_pauses(ground: Field) -> None:
    """A body that breaks again and again fails for all who wait; the next flight asks anew and lands."""
    data = content(1_000_000)
    breaks = iter([64 * KIB] * 4)

    def cut(body: MemoryBody) -> None:
        body.cut_after = next(breaks, None)

    ground.upstream.meddle = cut
    file = ground.upstream.add("demo", NAME, data)
    flight = ground.launch(file)
    results = await asyncio.gather(*(read(flight) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 5
    assert ground.upstream.calls.total() == 4
    assert await read(ground.launch(file)) == data


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFound("gone"),
        Refused("no"),
        Unreachable("memory", "down"),
        Throttled("memory", "later", retry_after=9),
    ],
)
async def test_an_upstream_that_refuses_is_asked_once(ground: Field, failure: WheelkeepError) -> None:
    """What the upstream says instead of a file is what everybody is told before any byte, and the key is free again."""
    file = ground.upstream.add("demo", NAME, content(100))
    ground.upstream.failure = failure
    flight = ground.launch(file)
    for wait in (flight.opened(), read(flight), flight.landed()):
        with pytest.raises(type(failure), match=str(failure)):
            await wait
    assert ground.upstream.calls == {"file": 1}
    ground.upstream.failure = None
    await ground.launch(file).landed()


@pytest.mark.parametrize("offset", [0, 500_000, 999_999])
async def test_one_wrong_bit_is_seen(ground: Field, offset: int) -> None:
    """With one bit wrong, wherever it is, all readers get `Corrupt` and not the last 64 KiB, and nothing is kept."""
    data = content(1_000_000)
    file = ground.upstream.add("demo", NAME, data)
    ground.upstream.contents[file.url] = wrong_at(data, offset)
    flight = ground.launch(file)
    got = [bytearray() for _ in range(3)]

    async def reader(into: bytearray) -> None:
        async for chunk in flight.chunks():
            into += await taken(chunk)

    results = await asyncio.gather(*(reader(into) for into in got), return_exceptions=True)
    assert [type(result) for result in results] == [Corrupt] * 3
    assert max(map(len, got)) <= len(data) - HOLD_BACK_BYTES
    assert ground.committed() == []
    assert ground.outcomes() == ["corrupt"]


async def test_corruption_is_remembered_for_a_minute(ground: Field) -> None:
    """A file that came wrong twice is refused for 60 seconds without a request, then it may be asked for again."""
    data = content(100_000)
    file = ground.upstream.add("demo", NAME, data)
    ground.upstream.contents[file.url] = wrong_at(data, 5)
    for _ in range(2):
        ground.flights.check(NAME)
        with pytest.raises(Corrupt):
            await ground.launch(file).landed()
    ground.now = 59.9
    with pytest.raises(Corrupt, match="SHA-256"):
        ground.flights.check(NAME)
    ground.now = 60.1
    ground.flights.check(NAME)


@pytest.mark.parametrize("by", [-1, 1, 100_000])
async def test_a_size_that_lies_is_corrupt(ground: Field, by: int) -> None:
    """A file that is longer or shorter than the index lists is `Corrupt` before its first byte is given."""
    flight = ground.launch(ground.upstream.add("demo", NAME, content(200_000), size=200_000 + by))
    with pytest.raises(Corrupt, match="promised"):
        await flight.opened()


async def test_a_body_that_does_not_end_is_cut_off(ground: Field) -> None:
    """Of a body that is longer than was announced, not one byte more than that reaches the disk."""

    def lengthen(body: MemoryBody) -> None:
        body.data *= 100

    ground.upstream.meddle = lengthen
    flight = ground.launch(ground.upstream.add("demo", NAME, content(200_000), listed_hash=False))
    with pytest.raises(Corrupt, match="longer"):
        await flight.landed()
    assert flight.received < 300_000


async def test_a_file_beyond_the_limit_is_refused(ground: Field) -> None:
    """A file larger than `max_bytes` is refused, before it is asked for when its size is listed."""
    ground.max_bytes = 1000
    with pytest.raises(Refused, match="max_file_bytes"):
        await ground.launch(ground.upstream.add("demo", NAME, content(1001))).opened()
    assert ground.upstream.calls == {}
    unlisted = ground.upstream.add("demo", "other-1.0.tar.gz", content(1001), listed_size=False)
    with pytest.raises(Refused, match="max_file_bytes"):
        await ground.launch(unlisted).opened()


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512", "blake2b"])
async def test_another_digest_is_checked_too(ground: Field, algorithm: str) -> None:
    """Where the index has no SHA-256 but another digest, that one decides; upper case does not matter."""
    data = content(100_000)
    hashes = {algorithm: hashlib.new(algorithm, data).hexdigest().upper()}
    file = ground.upstream.add("demo", NAME, data, hashes=hashes)
    held = await ground.launch(file).landed()
    assert held.sha256 == hashlib.sha256(data).hexdigest()
    await until(lambda: ground.flights.get(NAME) is None)
    ground.upstream.contents[file.url] = wrong_at(data, 7)
    with pytest.raises(Corrupt, match=algorithm):
        await ground.launch(file).landed()


async def test_without_a_digest_a_wheel_must_be_whole(ground: Field) -> None:
    """A wheel that nobody has a digest of lands when it is one whole archive, and is `Corrupt` when it is cut."""
    wheel = wheels.wheel("demo", "1.0", size=100_000)
    file = ground.upstream.add("demo", wheel.filename, wheel.data, listed_hash=False, listed_size=False)
    assert (await ground.launch(file).landed()).sha256 == wheel.sha256
    await until(lambda: ground.flights.get(wheel.filename) is None)
    ground.upstream.contents[file.url] = wheel.data[:-30]
    with pytest.raises(Corrupt, match="whole wheel"):
        await ground.launch(file).landed()


async def test_what_nobody_can_tell_whole_is_not_kept(ground: Field) -> None:
    """A file without size and digest whose answer does not say where it ends may be cut off: it fails and is not kept."""
    file = ground.upstream.add("demo", NAME, content(300 * KIB), listed_hash=False, listed_size=False)
    ground.upstream.delimited = False
    ground.upstream.cut_after = 200 * KIB
    with pytest.raises(Unreachable, match="whether it is whole"):
        await ground.launch(file, pauses=()).landed()
    assert ground.cache.total_bytes == 0


@pytest.mark.parametrize("room", [0, 10_000, 300_000, 2_500_000])
async def test_a_disk_that_is_full_costs_the_cache_and_not_the_readers(ground: Field, room: int) -> None:
    """However little the spool could take, those who read get the right file, nothing stays, and the next flight lands."""
    data = content(3_000_000)
    file = ground.upstream.add("demo", NAME, data)
    flight = ground.launch(file)
    with largest_file(room):
        assert await asyncio.gather(*(read(flight) for _ in range(3))) == [data] * 3
        with pytest.raises(StoreError):
            await flight.landed()
        await until(lambda: ground.flights.get(NAME) is None)
    assert ground.outcomes() == ["failed"]
    assert ground.leftovers() == []
    assert flight._places == {}
    await ground.launch(file).landed()


async def test_a_full_disk_holds_back_the_last_bytes_too(ground: Field) -> None:
    """Through memory as from the disk: of a wrong file nobody gets the last 64 KiB."""
    data = content(1_000_000)
    file = ground.upstream.add("demo", NAME, data)
    ground.upstream.contents[file.url] = wrong_at(data, 5)
    flight = ground.launch(file)
    with largest_file(300_000):
        assert await read_at("fast", flight, len(data)) is None
        with pytest.raises(Corrupt):
            await flight.landed()


async def test_a_full_disk_and_no_digest(ground: Field) -> None:
    """What only a look into the archive could prove is not completed when the archive is nowhere."""
    wheel = wheels.wheel("demo", "1.0", size=400_000)
    file = ground.upstream.add("demo", wheel.filename, wheel.data, listed_hash=False)
    flight = ground.launch(file)
    with largest_file(200_000):
        assert await read_at("fast", flight, len(wheel.data)) is None
        with pytest.raises(StoreError):
            await flight.landed()


async def test_a_full_disk_and_a_slow_reader_take_a_bounded_memory(ground: Field) -> None:
    """The upstream waits for the slowest reader; who comes too late for the beginning gets a flight of his own."""
    data = content(20_000_000)
    ground.max_bytes = len(data)
    file = ground.upstream.add("demo", NAME, data)
    with largest_file(0):
        flight = ground.launch(file)
        slow = flight.chunks()
        first = await taken(await anext(slow))
        await until(lambda: flight.received >= WINDOW_BYTES)
        for _ in range(100):
            await asyncio.sleep(0)
        assert flight.received <= WINDOW_BYTES + 64 * KIB
        assert ground.flights.get(NAME) is flight
        second = await taken(await anext(slow))
        await until(lambda: flight.received > WINDOW_BYTES + 64 * KIB)
        assert ground.flights.get(NAME) is None
        with pytest.raises(StoreError):
            await read(flight)
        other = ground.launch(file)
        assert await read(other) == data
        assert first + second + b"".join([await taken(chunk) async for chunk in slow]) == data
        await until(lambda: not ground.flights._tasks)


async def test_a_full_disk_and_nobody_who_reads(ground: Field) -> None:
    """A flight that can keep nothing and has no reader ends when its window is full."""
    ground.max_bytes = 20_000_000
    flight = ground.launch(ground.upstream.add("demo", NAME, content(20_000_000)))
    with largest_file(0), pytest.raises(StoreError):
        await flight.landed()
    assert flight.received <= WINDOW_BYTES + 64 * KIB


async def test_proved_bytes_are_given_although_they_cannot_be_kept(ground: Field) -> None:
    """When the disk fails at the commit, readers still get the whole proved file; only who needs the file itself fails."""
    data = content(1_000_000)
    file = ground.upstream.add("demo", NAME, data)
    ground.upstream.gate = asyncio.Semaphore(15)
    flight = ground.launch(file)
    reader = asyncio.create_task(read(flight))
    await until(lambda: flight.received > 900_000)
    (ground.root / "files-v1").write_bytes(b"in the way")
    ground.upstream.gate.release()
    assert await reader == data
    with pytest.raises(StoreError):
        await flight.landed()
    assert ground.outcomes() == ["failed"]
    (ground.root / "files-v1").unlink()


async def test_closing_waits_then_cancels(ground: Field) -> None:
    """Closing lets a flight land within the time it is given, and after that ends it for all with one sentence."""
    ground.upstream.gate = asyncio.Semaphore(2)
    flight = ground.launch(ground.upstream.add("demo", NAME, content(1_000_000)))
    reader = asyncio.create_task(read(flight))
    await until(lambda: flight.received == 128 * KIB)
    await ground.flights.aclose(0.01)
    with pytest.raises(Unreachable, match="shutting down"):
        await reader
    assert ground.leftovers() == []
    assert ground.outcomes() == ["failed"]


async def test_a_flight_that_is_stopped_before_it_begins_ends_too(ground: Field) -> None:
    """A flight whose task never ran frees its key and fails for those who wait."""
    flight = ground.launch(ground.upstream.add("demo", NAME, content(1000)))
    for task in ground.flights._tasks:
        task.cancel()
    with pytest.raises(Unreachable, match="shutting down"):
        await flight.opened()
    assert ground.flights.get(NAME) is None


async def test_many_readers_share_a_bounded_memory(ground: Field) -> None:
    """The more readers there are, the smaller the pieces they hold."""
    flight = ground.launch(ground.upstream.add("demo", NAME, content(1_000_000)))
    await flight.landed()
    readers = [flight.chunks() for _ in range(500)]
    _, stretch = await anext(readers[0]), cast("Stretch", await anext(readers[0]))
    assert len(await anext(stretch.pieces(stretch.start))) == 256 * KIB
    for reader in readers[1:]:
        assert len(await anext(reader)) == 64 * KIB
    assert len(await anext(stretch.pieces(stretch.start))) <= 34 * KIB
    for reader in readers:
        await cast("AsyncGenerator[bytes, None]", reader).aclose()


@dataclass(frozen=True)
class Case:
    """One way in which a download may go."""

    size: int
    cuts: list[int]
    wrong: int | None
    ranges: bool
    listed_hash: bool
    listed_size: bool
    paces: list[str]
    piece: int

    @property
    def listed(self) -> bytes:
        """The bytes that the index means."""
        return content(self.size, seed=self.size)

    @property
    def sent(self) -> bytes:
        """The bytes that the upstream has."""
        wrong = self.wrong is not None and self.wrong < self.size
        return wrong_at(self.listed, self.wrong or 0) if wrong else self.listed

    @property
    def right(self) -> bool:
        """Whether nothing can be said against what the upstream has."""
        return not self.listed_hash or self.sent == self.listed


CASES = st.builds(
    Case,
    size=st.integers(0, 400_000),
    cuts=st.lists(st.integers(1, 400_000), max_size=5),
    wrong=st.none() | st.integers(0, 400_000),
    ranges=st.booleans(),
    listed_hash=st.booleans(),
    listed_size=st.booleans(),
    paces=st.lists(st.sampled_from(["fast", "slow", "late", "leaving"]), min_size=1, max_size=5),
    piece=st.sampled_from([1000, 16 * KIB, 64 * KIB, 300 * KIB]),
)


async def read_at(pace: str, flight: Flight, size: int) -> bytes | None:
    """Read at some pace; None when the reader left or was told of a failure, before the last 64 KiB (I1)."""
    if pace == "late":
        await until(lambda: flight.released * 2 >= size or flight.error is not None)
    got = bytearray()
    try:
        async with aclosing(cast("AsyncGenerator[bytes, None]", flight.chunks())) as chunks:
            async for chunk in chunks:
                got += await taken(chunk)
                if pace == "leaving":
                    return None
                for _ in range(20 if pace == "slow" else 0):
                    await asyncio.sleep(0)
    except WheelkeepError:
        assert len(got) <= max(0, size - HOLD_BACK_BYTES)
        return None
    return bytes(got)


@settings(max_examples=60)
@given(case=CASES)
async def test_no_wrong_byte_ever_completes(case: Case) -> None:
    """Whatever breaks and whoever reads: a full read is the right file, a wrong one is not kept, nothing is left over."""
    with tempfile.TemporaryDirectory() as root:
        async with playing(Path(root)) as ground:
            cuts = iter(case.cuts)

            def cut(body: MemoryBody) -> None:
                body.cut_after = next(cuts, None)

            ground.upstream = Meddler(ranges=case.ranges, piece=case.piece, meddle=cut)
            file = ground.upstream.add(
                "demo", NAME, case.listed, listed_hash=case.listed_hash, listed_size=case.listed_size
            )
            ground.upstream.contents[file.url] = case.sent
            flight = ground.launch(file)
            results = await asyncio.gather(*(read_at(pace, flight, case.size) for pace in case.paces))
            await until(lambda: ground.flights.get(NAME) is None)

            must_land = case.right and len(case.cuts) <= 3
            kept = [path.read_bytes() for path in ground.committed()]  # I2
            assert (
                kept in ([case.sent], [])
                if case.right and not must_land
                else kept == [case.sent] * case.right
            )
            for pace, result in zip(case.paces, results, strict=True):
                assert result in {None, case.sent} if case.right else result is None  # I1
                assert result is not None or pace == "leaving" or not must_land
            assert flight.received <= case.size * (1 if case.ranges else 5)
            assert ground.leftovers() == []  # I5
            assert not ground.flights._tasks  # I6
            assert flight._leading.spool.holders == 0
