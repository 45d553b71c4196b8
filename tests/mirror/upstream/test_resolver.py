"""Every address that a name resolves to is judged at the moment of connecting."""

import asyncio
import socket
from collections.abc import Sequence

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mirror.errors import Refused
from mirror.upstream.guard import Guard
from mirror.upstream.resolver import GuardedResolver
from tests.mirror.upstream.conftest import Bench
from tests.simulator import Simulator

HOME = URL("https://feeds.example.com/simple/")


class Book(AbstractResolver):
    """A resolver that answers from what a test wrote into it, and another answer each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the next answer."""
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


class Asleep(Book):
    """A resolver that never answers."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Wait for what does not come."""
        await asyncio.Event().wait()
        return []


def _guarded(book: Book, *file_hosts: str) -> GuardedResolver:
    return GuardedResolver(Guard(HOME, file_hosts), seconds=5, inner=book)


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """A host that was public when it was checked and is a metadata service when it is connected to is refused."""
    resolver = _guarded(Book(["192.0.2.1"], ["169.254.169.254"]), "*")
    assert [found["host"] for found in await resolver.resolve("rebinding.example.com", 443)] == ["192.0.2.1"]
    with pytest.raises(Refused, match=r"rebinding\.example\.com is at 169\.254\.169\.254"):
        await resolver.resolve("rebinding.example.com", 443)


async def test_only_allowed_addresses_are_given() -> None:
    """Among several addresses the ones that may be connected to remain."""
    resolver = _guarded(Book(["10.0.0.1", "192.0.2.1", "::1"]), "*")
    assert [found["host"] for found in await resolver.resolve("mixed.example.com", 443)] == ["192.0.2.1"]


async def test_a_listed_name_may_be_inside() -> None:
    """What an operator named resolves to where it is."""
    resolver = _guarded(Book(["10.0.0.1"], ["10.0.0.2"]), "blobs.example.com")
    assert await resolver.resolve("blobs.example.com", 443)
    assert await resolver.resolve("feeds.example.com", 443)


async def test_a_lookup_has_its_time() -> None:
    """A resolver that does not answer is given up as a look-up that failed."""
    with pytest.raises(OSError, match="was not resolved within"):
        await GuardedResolver(Guard(HOME), seconds=0.01, inner=Asleep()).resolve("feeds.example.com")


async def test_closing_closes_the_resolver_behind() -> None:
    """Nothing of it outlives the client."""
    book = Book()
    await _guarded(book).close()
    assert book.closed


async def test_a_name_for_loopback_is_refused_by_the_client(bench: Bench) -> None:
    """End to end: a host allowed by `*` whose name is loopback is `Refused`, and the server there is not connected to."""
    async with Simulator() as feed:
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        port = feed.index_host.rpartition(":")[2]
        url = f"http://localhost:{port}/files/demo/demo-1.0.tar.gz"
        with pytest.raises(Refused, match="localhost is at the internal address"):
            async with bench.client("http://feeds.example.com/simple/", file_hosts=["*"]).open_file(url):
                pytest.fail("It was followed.")
        assert feed.requests == []
        listed = bench.client("http://feeds.example.com/simple/", file_hosts=[f"localhost:{port}"])
        async with listed.open_file(url) as body:
            assert body.total == 5
