"""Two processes that share a cache and want one file: one fetches it, the other follows, and goes on alone where it must."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror.errors import (
    Corrupt,
    FileNotFound,
    Refused,
    Rejected,
    Throttled,
    Unreachable,
    WheelkeepError,
)
from mirror.flight import HOLD_BACK_BYTES, Flight
from mirror.model import File
from tests.disk import largest_file
from tests.memory import MemoryBody, taken
from tests.mirror.test_flight import KIB, NAME, Field, Meddler, content, playing, read, until, wrong_at

SIZE = 1_000_000
PIECE = 64 * KIB


@dataclass
class Pair:
    """Two processes over one cache folder, and the upstream that both ask."""

    first: Field
    second: Field
    upstream: Meddler

    def outcomes(self) -> list[str]:
        """Tell how the flights of both ended."""
        return sorted(self.first.outcomes() + self.second.outcomes())

    async def follow(self, file: File) -> tuple[Flight, Flight]:
        """Let the first process begin to fetch a file, and the second one follow it."""
        leading = self.first.launch(file)
        await leading.opened()
        following = self.second.launch(file)
        await following.opened()
        return leading, following

    def let_flow(self, pieces: int) -> None:
        """Let so many more pieces of files come."""
        assert self.upstream.gate is not None
        for _ in range(pieces):
            self.upstream.gate.release()


def boards(root: Path) -> list[Path]:
    """List what is left of what processes told each other."""
    return list(root.glob("flights/*"))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Give two processes, which leave nothing behind."""
    async with playing(tmp_path) as first, playing(tmp_path) as second:
        second.upstream = first.upstream
        yield Pair(first, second, first.upstream)
    assert boards(tmp_path) == []


async def what_comes(flight: Flight) -> tuple[bytes, WheelkeepError | None]:
    """Read up to the end or up to a failure."""
    got = b""
    try:
        async for chunk in flight.chunks():
            got += await taken(chunk)
    except WheelkeepError as error:
        return got, error
    return got, None


@pytest.mark.parametrize("listed_hash", [True, False])
@pytest.mark.parametrize("size", [0, 10, SIZE])
async def test_one_fetches_and_the_other_follows(pair: Pair, size: int, *, listed_hash: bool) -> None:
    """However many readers there are in two processes, the upstream is asked once and all get the right bytes."""
    data = content(size)
    file = pair.upstream.add("demo", NAME, data, listed_hash=listed_hash)
    flights = [pair.first.launch(file), pair.second.launch(file)]
    results = await asyncio.gather(*(read(flight) for flight in flights for _ in range(5)))
    assert results == [data] * 10
    first, second = [await flight.landed() for flight in flights]
    assert first.path == second.path
    await until(lambda: len(pair.outcomes()) == 2)
    assert pair.outcomes() == ["committed", "followed"]
    assert pair.upstream.calls == {"file": 1}
    assert len(pair.first.settled + pair.second.settled) == 1


async def test_who_follows_gets_what_is_there(pair: Pair) -> None:
    """Readers of the second process have their bytes, from the first one on, while the file is still fetched."""
    data = content(SIZE)
    pair.upstream.gate = asyncio.Semaphore(8)
    leading, following = await pair.follow(pair.upstream.add("demo", NAME, data))
    assert await read(following, 0, 8 * PIECE) == data[: 8 * PIECE]
    assert await read(following, PIECE, 2 * PIECE) == data[PIECE : 2 * PIECE]
    assert not leading.proved
    pair.let_flow(20)
    assert await read(following) == data
    assert pair.upstream.calls == {"file": 1}


async def test_who_follows_lacks_the_last_bytes_of_a_wrong_file(pair: Pair) -> None:
    """What the first process finds wrong, nobody completes in the second, which is told why and asks nobody."""
    data = content(SIZE)
    file = pair.upstream.add("demo", NAME, data)
    pair.upstream.contents[file.url] = wrong_at(data, 10)
    pair.upstream.gate = asyncio.Semaphore(3)
    _, following = await pair.follow(file)
    reading = asyncio.create_task(what_comes(following))
    pair.let_flow(20)
    got, error = await reading
    assert isinstance(error, Corrupt)
    assert len(got) <= SIZE - HOLD_BACK_BYTES
    await until(lambda: len(pair.outcomes()) == 2)
    assert pair.outcomes() == ["corrupt", "corrupt"]
    assert pair.upstream.calls == {"file": 1}


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFound("gone"),
        Refused("no"),
        Corrupt("wrong"),
        Unreachable("memory", "down"),
        Rejected("memory", "bad token"),
        Throttled("memory", "later", retry_after=9),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_who_follows_is_told_the_failure(pair: Pair, failure: WheelkeepError) -> None:
    """What the upstream said to the first process is said in the second in the same words, and nobody asks again."""
    pair.upstream.gate = asyncio.Semaphore(3)
    pair.upstream.cut_after = 3 * PIECE
    leading, following = await pair.follow(pair.upstream.add("demo", NAME, content(SIZE)))
    pair.upstream.failure = failure
    reading = asyncio.create_task(what_comes(following))
    pair.let_flow(20)
    _, error = await reading
    assert type(error) is type(failure)
    assert str(error) == str(failure)
    assert getattr(error, "retry_after", None) == getattr(failure, "retry_after", None)
    await until(lambda: leading.error is not None)  # it tells the others first
    assert str(leading.error) == str(failure)
    tries = len(leading.origin.resume_pauses_seconds) if type(failure) is Unreachable else 1
    assert pair.upstream.calls.total() == 1 + tries


async def test_the_failure_of_another_upstream_is_not_ones_own(pair: Pair) -> None:
    """When the first process asked another upstream for the same file in vain, the second one asks its own."""
    data = content(SIZE)
    gate = asyncio.Semaphore(3)
    other = Meddler(name="other", gate=gate, cut_after=3 * PIECE)
    file = pair.upstream.add("demo", NAME, data)
    assert other.add("demo", NAME, data) == file
    pair.first.upstream = other
    _, following = await pair.follow(file)
    other.failure = Rejected("other", "bad token")
    for _ in range(20):
        gate.release()
    assert await read(following) == data
    assert pair.upstream.calls.total() == 1


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("listed_hash", [True, False])
async def test_who_follows_goes_on_when_the_other_stops(
    pair: Pair, *, listed_hash: bool, ranges: bool
) -> None:
    """When the first process ends in the middle, the second one keeps what came and asks for the rest; no reader notices."""
    data = content(SIZE)
    pair.upstream.ranges = ranges
    pair.upstream.gate = asyncio.Semaphore(8)
    file = pair.upstream.add("demo", NAME, data, listed_hash=listed_hash)
    _, following = await pair.follow(file)
    chunks = following.chunks()
    got = await taken(await anext(chunks))
    await until(lambda: following.released == 8 * PIECE)
    await pair.first.flights.aclose(0)
    pair.let_flow(40)
    async for chunk in chunks:
        got += await taken(chunk)
    assert got == data
    assert pair.upstream.calls == {"file": 1, "range": 1}
    assert (await following.landed()).path.read_bytes() == data
    assert following.received == (SIZE - 8 * PIECE if ranges else SIZE)


async def test_what_the_other_left_is_proved_anew(pair: Pair) -> None:
    """A wrong byte that the first process had when it ended is found by the second one: nobody completes the file."""
    data = content(SIZE)
    file = pair.upstream.add("demo", NAME, data)

    def with_a_wrong_byte(body: MemoryBody) -> None:
        body.data = body.data if body.start else wrong_at(body.data, 10)

    pair.upstream.meddle = with_a_wrong_byte
    pair.upstream.gate = asyncio.Semaphore(8)
    _, following = await pair.follow(file)
    reading = asyncio.create_task(what_comes(following))
    await until(lambda: following.released == 8 * PIECE)
    await pair.first.flights.aclose(0)
    pair.let_flow(40)
    got, error = await reading
    assert isinstance(error, Corrupt)
    assert len(got) <= SIZE - HOLD_BACK_BYTES


async def test_of_three_one_goes_on(pair: Pair, tmp_path: Path) -> None:
    """When the first of three processes ends, one of the others goes on and the third follows it, with readers under way."""
    data = content(SIZE)
    pair.upstream.gate = asyncio.Semaphore(8)
    file = pair.upstream.add("demo", NAME, data)
    async with playing(tmp_path) as third:
        third.upstream = pair.upstream
        _, following = await pair.follow(file)
        flights = [following, third.launch(file)]
        reading = [asyncio.create_task(read(flight)) for flight in flights]
        await until(lambda: all(flight.released == 8 * PIECE for flight in flights))
        await pair.first.flights.aclose(0)
        pair.let_flow(2)
        await until(lambda: all(flight.released == 10 * PIECE for flight in flights))
        pair.let_flow(40)
        assert await asyncio.gather(*reading) == [data] * 2
        assert pair.upstream.calls == {"file": 1, "range": 1}
        await until(lambda: len(pair.second.outcomes() + third.outcomes()) == 2)
        assert sorted(pair.second.outcomes() + third.outcomes()) == ["committed", "followed"]


@pytest.mark.parametrize("same", [True, False])
async def test_a_file_that_is_begun_anew_is_never_glued(pair: Pair, *, same: bool) -> None:
    """When the first process begins again, readers of the second go on only if what they have is the new file's beginning."""
    data = content(SIZE)
    pair.upstream.gate = asyncio.Semaphore(8)
    pair.upstream.cut_after = 8 * PIECE
    pair.upstream.ranges = False
    file = pair.upstream.add("demo", NAME, data, listed_hash=False)
    leading, following = await pair.follow(file)
    reading = asyncio.create_task(what_comes(following))
    await until(lambda: following.released == 8 * PIECE)
    other = data if same else wrong_at(data, 10)
    pair.upstream.contents[file.url] = other
    pair.let_flow(40)
    got, error = await reading
    if same:
        assert (got, error) == (data, None)
    else:
        assert isinstance(error, Unreachable)
        assert got == data[: len(got)]
        assert len(got) <= 8 * PIECE
    assert (await leading.landed()).path.read_bytes() == other


async def test_a_full_disk_is_nobody_elses(pair: Pair) -> None:
    """When the disk is full for the first process, the second one asks for itself, and the readers of both get the file."""
    data = content(3_000_000)
    pair.upstream.gate = asyncio.Semaphore(3)
    with largest_file(5 * PIECE):
        flights = await pair.follow(pair.upstream.add("demo", NAME, data))
        reading = [asyncio.create_task(read(flight)) for flight in flights]
        pair.let_flow(200)
        assert await asyncio.gather(*reading) == [data] * 2
        await until(lambda: len(pair.outcomes()) == 2)
    assert pair.outcomes() == ["failed", "failed"]


async def test_where_no_board_can_be_made_everybody_fetches(pair: Pair, tmp_path: Path) -> None:
    """What processes tell each other only saves work: without it each of them asks the upstream, and all is right."""
    data = content(SIZE)
    (tmp_path / "flights").rmdir()
    (tmp_path / "flights").write_text("no folder")
    file = pair.upstream.add("demo", NAME, data)
    flights = [pair.first.launch(file), pair.second.launch(file)]
    assert await asyncio.gather(*map(read, flights)) == [data] * 2
    assert pair.upstream.calls == {"file": 2}
    (tmp_path / "flights").unlink()


async def test_what_has_landed_and_is_gone_already_is_fetched_again(pair: Pair) -> None:
    """When the file is removed before the second process has looked for it, that one fetches it itself."""
    data = content(SIZE)
    file = pair.upstream.add("demo", NAME, data)
    landing, go = asyncio.Event(), asyncio.Event()

    async def settle(_held: object) -> None:
        landing.set()
        await go.wait()

    pair.first.settle = settle  # type: ignore[assignment,method-assign]
    leading = pair.first.launch(file)
    (await leading.landed()).path.unlink()
    await landing.wait()
    following = pair.second.launch(file)
    go.set()
    assert (await following.landed()).path.read_bytes() == data
    assert pair.upstream.calls == {"file": 2}
