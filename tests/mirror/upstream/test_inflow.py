"""A long body is received without aiohttp, and comes and fails as any other; `test_files` runs all of its cases over it, too."""

from dataclasses import replace
from hashlib import shake_128
from pathlib import Path

import pytest
from yarl import URL

from mirror.errors import Unreachable
from mirror.ports import Body
from mirror.upstream.client import UpstreamClient
from mirror.upstream.inflow import ROOM_BYTES
from tests.mirror.upstream import tls
from tests.mirror.upstream.conftest import QUICK, Bench
from tests.simulator import Gate, Simulator, faults
from tests.simulator.faults import Fault

NAME = "demo-1.0-py3-none-any.whl"
DATA = shake_128(b"long").digest(8 * ROOM_BYTES)
FILES = "*.whl"
LONG = replace(QUICK, long_body_bytes=2 * ROOM_BYTES)


@pytest.fixture
def long(bench: Bench) -> Bench:
    """Give a bench whose clients find bodies from 2 MiB on long."""
    bench.long_body_bytes = LONG.long_body_bytes
    return bench


async def _read(body: Body) -> bytes:
    return b"".join([bytes(piece) async for piece in body.chunks()])


async def _fetch(client: UpstreamClient, url: str, *, start: int = 0) -> bytes:
    async with client.open_file(url, start=start) as body:
        return await _read(body)


async def _collect(client: UpstreamClient, url: str, got: bytearray) -> None:
    async with client.open_file(url) as body:
        async for piece in body.chunks():
            got += piece


def _filled(feed: Simulator) -> str:
    feed.add("demo", NAME, DATA)
    return feed.file_url("demo", NAME)


@pytest.mark.parametrize("start", [0, 1, 5 * ROOM_BYTES])
async def test_a_long_body_comes_whole(long: Bench, start: int) -> None:
    """Each byte comes once and in order, from where it was asked for on, and is counted."""
    async with Simulator() as feed:
        url = _filled(feed)
        assert await _fetch(long.client(feed.simple_url), url, start=start) == DATA[start:]
        assert long.calls[0].received == len(DATA) - start


async def test_it_comes_in_large_pieces_that_are_not_made_anew(long: Bench) -> None:
    """What is read of a long body lies in two rooms, however many pieces come of it."""
    async with Simulator() as feed:
        async with long.client(feed.simple_url).open_file(_filled(feed)) as body:
            rooms = [id(piece.obj) async for piece in body.chunks() if isinstance(piece, memoryview)]
        assert len(rooms) > 2
        assert len(set(rooms)) == 2


async def test_its_connection_carries_nothing_else(long: Bench) -> None:
    """After a long body the next request has a connection of its own; after a short one it has the same."""
    async with Simulator() as feed:
        url = _filled(feed)
        client = long.client(feed.simple_url)
        for start in (0, len(DATA) - 1, len(DATA) - 1):
            assert await _fetch(client, url, start=start) == DATA[start:]
        first, second, third = (request.peer for request in feed.requests)
        assert first != second == third


async def test_what_comes_in_chunks_is_left_to_its_parser(long: Bench) -> None:
    """A body whose end is not told by a length is decoded as ever."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(faults.chunked(), FILES)
        async with long.client(feed.simple_url).open_file(url) as body:
            pieces = [piece async for piece in body.chunks()]
        assert all(isinstance(piece, bytes) for piece in pieces)
        assert b"".join(pieces) == DATA


@pytest.mark.parametrize("fault", [faults.cut(6 * ROOM_BYTES + 1), faults.reset(6 * ROOM_BYTES + 1)])
async def test_what_came_before_the_break_is_given(long: Bench, fault: Fault) -> None:
    """When a long body breaks, its pieces up to there are right, and then it raises."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(fault, FILES)
        got = bytearray()
        with pytest.raises(Unreachable, match=r"broke off|lost the connection"):
            await _collect(long.client(feed.simple_url), url, got)
        assert got
        assert DATA.startswith(bytes(got))


async def test_silence_in_a_long_body_ends_in_time(long: Bench) -> None:
    """What has come before the silence is given, and then its bound is kept without aiohttp's clock."""
    async with Simulator() as feed:
        url = _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate, 5 * ROOM_BYTES), FILES)
        got = bytearray()
        limits = replace(LONG, between_bytes_seconds=0.1)
        with pytest.raises(Unreachable, match="in time"):
            await _collect(long.client(feed.simple_url, limits=limits), url, got)
        assert bytes(got) == DATA[: 5 * ROOM_BYTES]
        gate.open()


async def test_over_tls_it_is_the_same(long: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long body is decrypted into the same two rooms."""
    async with tls.serving(tmp_path) as index:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        client = long.client(index)
        url = str(URL(index).with_path("/file"))
        with pytest.raises(Unreachable, match="not trusted"):
            await _fetch(client, url)  # after which the certificates are read again
        async with client.open_file(url) as body:
            pieces = [(type(piece), bytes(piece)) async for piece in body.chunks()]
        assert b"".join(data for _, data in pieces) == tls.FILE
        assert pieces[-1][0] is memoryview
