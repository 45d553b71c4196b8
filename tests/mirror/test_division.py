"""A large file is divided when one stream brings it slowly, and not before; each byte comes once all the same."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.flight.pace import Pace
from tests.disk import largest_file
from tests.mirror.test_flight import NAME, Field, playing, read
from tests.mirror.test_segments import DATA, KIB, SEGMENTS, Divided, divided, taking

WATCHED = replace(SEGMENTS, watch_seconds=3.0)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Field]:
    """Give a field in which files from 256 KiB on are divided after three seconds of waiting."""
    async with playing(tmp_path) as field:
        field.upstream, field.division = Divided(piece=16 * KIB), WATCHED
        yield field


async def test_a_fast_file_is_not_divided(ground: Field) -> None:
    """After its first segment the whole rest is asked for in one stream."""
    flight = ground.launch(ground.upstream.add("demo", NAME, DATA))
    assert await read(flight) == DATA
    assert [asked[:2] for asked in divided(ground).asked] == [(0, 128 * KIB), (128 * KIB, None)]
    assert divided(ground).most_under_way == 1
    assert flight.received == len(DATA)


async def test_a_slow_file_is_divided_where_it_is(ground: Field) -> None:
    """When the first stream is found slow it goes on to the end of its segment, and the others are asked for beside it."""
    ground.monotonic = taking(1.0)
    upstream = divided(ground)
    upstream.silent = {128 * KIB}
    flight = ground.launch(ground.upstream.add("demo", NAME, DATA))
    await flight.opened()
    upstream.released.set()
    assert await read(flight) == DATA
    starts = range(0, len(DATA), 128 * KIB)
    assert [asked[:2] for asked in upstream.asked] == [
        (start, min(start + 128 * KIB, len(DATA))) for start in starts
    ]
    assert upstream.most_under_way == 4
    assert flight.received == len(DATA)


async def test_a_slow_file_of_unknown_size_is_divided_too(ground: Field) -> None:
    """A file whose size the index does not list is asked for whole, and left after a segment from where it was found slow."""
    ground.monotonic = taking(1.0)
    flight = ground.launch(ground.upstream.add("demo", NAME, DATA, listed_size=False))
    assert await read(flight) == DATA
    found = 3 * 16 * KIB
    assert [asked[:2] for asked in divided(ground).asked[:2]] == [
        (0, None),
        (found + 128 * KIB, found + 256 * KIB),
    ]
    assert flight.received <= len(DATA) + divided(ground).piece


async def test_a_file_that_is_neither_goes_on_segment_by_segment(ground: Field) -> None:
    """As long as a stream is not fast, nor was waited for long enough to be slow, it is asked for the next segment alone."""
    ground.division = replace(WATCHED, watch_seconds=10.0)
    ground.monotonic = taking(1.0)
    assert await read(ground.launch(ground.upstream.add("demo", NAME, DATA))) == DATA
    asked = divided(ground).asked
    assert [one[:2] for one in asked[:2]] == [(0, 128 * KIB), (128 * KIB, 256 * KIB)]
    assert divided(ground).most_under_way == 4


async def test_what_goes_beyond_a_segment_is_not_taken(ground: Field) -> None:
    """An answer that is longer than the segment it was asked for is left where that ends; nobody would see the difference."""
    divided(ground).faults, ground.upstream.piece = {0: ["long"]}, 24 * KIB
    flight = ground.launch(ground.upstream.add("demo", NAME, DATA, listed_hash=False))
    assert await read(flight) == DATA


async def test_past_a_full_disk_nothing_is_divided(ground: Field) -> None:
    """A slow stream whose bytes the disk does not take stays one stream, since only what comes in order can be passed on."""
    ground.monotonic = taking(1.0)
    file = ground.upstream.add("demo", NAME, DATA)
    with largest_file(20 * KIB):
        assert await read(ground.launch(file)) == DATA
    assert divided(ground).most_under_way == 1


def _pace(*, watch_seconds: float, seconds: float) -> Pace:
    return Pace(watch_seconds=watch_seconds, fast_bytes_per_second=1000, monotonic=taking(seconds))


async def _chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        await asyncio.sleep(0)
        yield bytes(size)


@pytest.mark.parametrize(("size", "fast"), [(1000, True), (999, False), (0, False)])
async def test_fast_is_what_brings_so_much_a_second(size: int, *, fast: bool) -> None:
    """The bytes that came are held against the time that was waited for them."""
    pace = _pace(watch_seconds=1.0, seconds=1.0)
    chunk = await pace.next(_chunks(size))
    assert (chunk is not None and len(chunk), pace.is_fast, pace.is_slow) == (size, fast, not fast)


async def test_slow_takes_a_while_to_tell() -> None:
    """Before it was waited for so long no stream is slow, and one that gathers pace is not slow any more."""
    pace = _pace(watch_seconds=2.0, seconds=1.0)
    chunks = _chunks(10, 10, 5000)
    told = [pace.is_slow]
    while await pace.next(chunks):
        told.append(pace.is_slow)
    assert told == [False, False, True, False]


async def test_without_a_while_every_stream_is_slow() -> None:
    """A watch of no seconds means that nothing has to be waited for."""
    assert _pace(watch_seconds=0, seconds=0).is_slow
