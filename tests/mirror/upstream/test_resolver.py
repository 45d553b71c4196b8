"""Every address that a name resolves to is judged at the moment of connecting."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mirror.errors import Refused
from mirror.upstream.guard import Guard
from mirror.upstream.resolver import GuardedResolver, ThreadResolver
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


class Hanging:
    """A look-up that blocks its thread until it is let go, as where name servers do not answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self.go = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        """Block, then fail."""
        self.asked.append(host)
        self._loop.call_soon_threadsafe(self.begun.set)
        self.go.wait()
        raise OSError(port, f"{host} is unknown in {family}")


async def test_a_lookup_that_hangs_holds_nobody_up() -> None:
    """While a look-up hangs the threads that everybody shares are free, and those who ask again wait for that same one."""
    with ThreadPoolExecutor(1) as shared:
        asyncio.get_running_loop().set_default_executor(shared)
        look_up = Hanging()
        resolver = ThreadResolver(look_up)
        gone = asyncio.create_task(resolver.resolve("feeds.example.com"))
        await look_up.begun.wait()
        gone.cancel()
        again = asyncio.create_task(resolver.resolve("feeds.example.com"))
        try:
            assert await asyncio.to_thread(lambda: "read") == "read"
            assert not again.done()
        finally:
            look_up.go.set()
        with pytest.raises(OSError, match="is unknown"):
            await again
        assert look_up.asked == ["feeds.example.com"]
        look_up.go.clear()
        anew = asyncio.create_task(resolver.resolve("feeds.example.com"))
        look_up.go.set()
        with pytest.raises(OSError, match="is unknown"):
            await anew
        assert len(look_up.asked) == 2


def test_a_lookup_that_hangs_does_not_keep_the_loop_from_ending() -> None:
    """A process can end while a look-up hangs."""

    async def ask() -> Hanging:
        look_up = Hanging()
        task = asyncio.create_task(ThreadResolver(look_up).resolve("feeds.example.com"))
        await look_up.begun.wait()
        task.cancel()
        return look_up

    look_up = asyncio.run(ask())
    assert not look_up.go.is_set()
    look_up.go.set()


async def test_the_system_is_asked() -> None:
    """A name of this machine resolves to its addresses, and a name that nobody has does not."""
    resolver = ThreadResolver()
    found = await resolver.resolve("localhost", 80)
    assert ("127.0.0.1", 80, socket.AF_INET) in {(one["host"], one["port"], one["family"]) for one in found}
    for nobody in ("nobody.invalid", f"{'n' * 64}.invalid"):
        with pytest.raises(OSError, match=r".+"):
            await resolver.resolve(nobody, 80)
