"""Sending: from memory or from the disk the same bytes; what the disk says is told before any byte of the answer."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from mirror.errors import StoreError
from mirror.flight.spool import Spool, Stretch
from proxy.middleware import NOTE, Note
from proxy.views import sending

UNREADABLE = Path("/proc/self/mem")
"""Opens, has no bytes, and fails when its first ones are read."""


async def test_what_cannot_be_read_is_a_failure_of_the_store() -> None:
    """A held file whose bytes the disk does not give is a `StoreError`, which is a 503 with a sentence."""
    with pytest.raises(StoreError, match="cannot be read"):
        await sending.read(UNREADABLE, 0, 1, 0)


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """Give the bytes of a file of the name `spool`."""
    data = random.Random(0).randbytes(3_000_000)  # noqa: S311
    (tmp_path / "spool").write_bytes(data)
    return data


async def test_others_have_their_turn_between_two_pieces(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a client takes all at once that it is given the event loop goes round, at least once for each piece."""
    monkeypatch.setattr(sending, "SENDFILE_BYTES", 100)
    pieces, turns, taken, going, loop = 60, 0, 0, True, asyncio.get_running_loop()

    def turn() -> None:
        nonlocal turns
        turns += 1
        if going:
            loop.call_soon(turn)

    async def view(request: web.Request) -> web.StreamResponse:
        nonlocal taken
        request[NOTE] = Note("r-1")
        response = web.StreamResponse()
        async with sending.opened(tmp_path / "spool", len(data)) as file:
            begin = turns
            await sending.Sender(10).file(request, response, file, 0, 100 * pieces)
            taken = turns - begin
        return response

    app = web.Application()
    app.router.add_get("/", view)
    async with TestClient(TestServer(app)) as client:
        turn()
        answer = await client.get("/")
        assert await answer.read() == data[: 100 * pieces]
        going = False
    assert taken >= pieces


@pytest.mark.parametrize("sized", [True, False])
async def test_stretches_of_the_disk_arrive_between_pieces_of_memory(
    tmp_path: Path, data: bytes, *, sized: bool
) -> None:
    """What is given as a place on the disk reaches the client as those bytes, with and without a length of the answer."""
    spool = Spool(tmp_path / "spool")
    spool.hold()
    await spool.opened()

    async def chunks() -> AsyncIterator[bytes | Stretch]:
        yield data[:1000]
        yield Stretch(spool, 1000, 1_500_000)
        yield data[1_501_000:1_700_000]
        yield Stretch(spool, 1_700_000, 1_300_000)

    async def view(request: web.Request) -> web.StreamResponse:
        request[NOTE] = note = Note("r-1")
        response = web.StreamResponse()
        await sending.Sender(10).arriving(request, response, chunks(), len(data) if sized else None)
        assert note.sent == len(data)
        return response

    app = web.Application()
    app.router.add_get("/", view)
    async with TestClient(TestServer(app)) as client:
        for _ in range(2):
            answer = await client.get("/")
            assert await answer.read() == data
    await spool.drop()
