"""A server that is told to leave while 200 clients are in the middle of a file: F56."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.mortal import Nursery, Server, configure
from tests.faults.remains import committed, judge_ended
from tests.faults.streams import Stream
from tests.simulator import Gate, Simulator, faults
from tests.wheels import wheel

LARGE = wheel("demo", "2.0", size=1_000_000)
PATH = f"/files/demo/{LARGE.filename}"
STREAMS = 200
HELD_AT = 600_000
"""So many bytes come before the upstream waits."""


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give a feed with one file."""
    async with Simulator() as feed:
        feed.add(LARGE.project, LARGE.filename, LARGE.data)
        yield feed


async def told_to_leave(server: Server) -> list[Stream]:
    """Begin all streams, tell the server to leave, and wait until it is not ready any more."""
    streams = await asyncio.gather(*(Stream.begin(server, PATH, HELD_AT) for _ in range(STREAMS)))
    ready = await server.ask("/readyz")
    assert ready is not None
    assert ready.status == 200
    server.leave()
    async with asyncio.timeout(5):
        while (ready := await server.ask("/readyz")) is not None:
            assert ready.status in {200, 503}
    return streams


@pytest.mark.parametrize("workers", [1, 2])
async def test_streams_end_before_the_server(
    nursery: Nursery, feed: Simulator, tmp_path: Path, workers: int
) -> None:
    """At SIGTERM nobody new is let in, everybody who reads gets the whole file, and the server ends well and leaves nothing."""
    gate = Gate()
    feed.misbehave(faults.hold(gate, at=HELD_AT), "*.whl")
    folder = tmp_path / "house"
    configure(folder, feed, workers=workers)
    async with nursery.serving(folder) as server:
        streams = await told_to_leave(server)
        gate.open()
        assert set(await asyncio.gather(*(stream.end() for stream in streams))) == {LARGE.data}
        assert await server.ended() == 0
    assert feed.count("file") == 1
    judge_ended(folder / "data")
    assert [path.name for path in committed(folder / "data") if path.stat().st_size > HELD_AT] == [
        LARGE.sha256
    ]


@pytest.mark.parametrize("workers", [1, 2])
async def test_streams_that_do_not_end_are_broken_off(
    nursery: Nursery, feed: Simulator, tmp_path: Path, workers: int
) -> None:
    """After `drain_seconds` what is left is reset and never looks whole, nothing is half committed, and the server ends well."""
    feed.misbehave(faults.hold(Gate(), at=HELD_AT), "*.whl", times=1)
    # The other worker goes on where the one that fetches has left first.
    feed.misbehave(faults.hold(Gate()), "*.whl")
    folder = tmp_path / "house"
    configure(folder, feed, workers=workers, drain_seconds=0.5)
    async with nursery.serving(folder) as server:
        streams = await told_to_leave(server)
        assert set(await asyncio.gather(*(stream.end() for stream in streams))) == {LARGE.data[:HELD_AT]}
        assert await server.ended() == 0
    judge_ended(folder / "data")
    assert committed(folder / "data") == []
