"""With too much under way pages are turned away, then files, and never what operators ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import LogCapture

from mirror.model import File
from proxy.middleware import TRAFFIC
from proxy.shedding import RETRY_SECONDS
from tests.proxy.memory import House, MemoryArriving, assemble

MOST = 8
DATA = bytes(1000)


@dataclass
class Waiting(MemoryArriving):
    """A file whose second half waits for `released`."""

    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Give the halves."""
        half = len(self.data) // 2
        yield self.data[:half]
        await self.released.wait()
        yield self.data[half:]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Serve an application that allows a few requests, with one file whose bytes wait, and one that is held."""
    built = assemble(tmp_path, most_requests=MOST)
    built.files.arriving["slow-1.whl"] = Waiting(DATA, len(DATA))
    slow = File(filename="slow-1.whl", url="https://feed.invalid/slow-1.whl", size=len(DATA))
    built.index.add("slow", slow)
    built.index.add("fast", built.files.hold("fast-1.whl", DATA))
    await built.server.start_server()
    yield built
    await built.server.close()


async def _occupy(house: House, stack: AsyncExitStack, count: int) -> list[asyncio.StreamReader]:
    """Let so many requests be under way."""
    readers = []
    for _ in range(count):
        reader, writer = await house.open("/files/slow/slow-1.whl")
        stack.callback(writer.close)
        await reader.readuntil(b"\r\n\r\n")
        readers.append(reader)
    assert len(house.app[TRAFFIC].busy) >= count
    return readers


async def test_pages_go_first(house: House, lines: LogCapture) -> None:
    """With three quarters under way a page is 503 with a `Retry-After` of a few seconds, and a file is still served."""
    async with AsyncExitStack() as stack:
        await _occupy(house, stack, MOST * 3 // 4 - 1)
        assert (await house.ask("/simple/fast/")).status == 200
        await _occupy(house, stack, 1)
        for path in ("/simple/", "/simple/fast/", "/other/simple/fast/"):
            reply = await house.ask(path)
            assert reply.status == 503
            assert int(reply.headers["Retry-After"]) in RETRY_SECONDS
            assert reply.headers["Cache-Control"] == "no-store"
        assert (await house.ask("/files/fast/fast-1.whl")).body == DATA
        shed = [line for line in lines.entries if line.get("outcome") == "shed"]
        assert len(shed) == 3


async def test_then_files_and_never_what_operators_ask(house: House) -> None:
    """With all under way a file is 503 as well; health and metrics answer."""
    async with AsyncExitStack() as stack:
        await _occupy(house, stack, MOST - 1)
        await _occupy(house, stack, 1)
        assert (await house.ask("/files/fast/fast-1.whl")).status == 503
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await house.ask(path)).status == 200


async def test_it_is_over_when_they_have_ended(house: House) -> None:
    """What was under way ends whole, and then everybody is served again."""
    async with AsyncExitStack() as stack:
        readers = await _occupy(house, stack, MOST)
        assert (await house.ask("/simple/fast/")).status == 503
        waiting = house.files.arriving["slow-1.whl"]
        assert isinstance(waiting, Waiting)
        waiting.released.set()
        assert [await reader.read() for reader in readers] == [DATA] * MOST
        assert (await house.ask("/simple/fast/")).status == 200


async def test_not_all_are_told_the_same_time(house: House) -> None:
    """Those who are turned away together are told different times."""
    async with AsyncExitStack() as stack:
        await _occupy(house, stack, MOST)
        replies = [await house.ask("/simple/fast/") for _ in RETRY_SECONDS]
        assert {int(reply.headers["Retry-After"]) for reply in replies} == set(RETRY_SECONDS)
