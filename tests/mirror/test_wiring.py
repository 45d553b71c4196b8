"""Wiring: a house opens without asking anybody, hands everyone what the settings say, and leaves nothing behind."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Cache, Connection, Index, Limits, Settings, Store, Upstream
from mirror.errors import Invalid, NotFound, Refused, StoreError, Unreachable
from mirror.events import Event, PageLooked, UpstreamCalled
from mirror.model import FileRef, HeldFile
from mirror.names import ProjectName
from mirror.ports import Arriving
from mirror.wiring import House, open_house
from tests.clock import Clock
from tests.memory import taken
from tests.simulator import Bearer, Gate, Pat, Simulator, faults
from tests.wheels import BuiltFile, wheel

KIB = 1024
DEMO = ProjectName("demo")
SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=400 * KIB)


def listed(feed: Simulator, name: str, **fields: Any) -> Upstream:
    """Say in the settings that a feed is an upstream."""
    return Upstream(name=name, url=feed.simple_url, file_hosts=(feed.file_host,), **fields)


def settings(folder: Path, *upstreams: Upstream, mode: str = "online", **tables: Any) -> Settings:
    """Make settings of an index `default` over the upstreams, with everything below a folder."""
    sources = tuple(upstream.name for upstream in upstreams)
    return Settings(
        store=Store(url=f"file:{folder}/store"),
        cache=Cache(path=folder / "cache"),
        upstreams=upstreams,
        indexes=(Index(name="default", sources=sources, mode=mode),),
        **tables,
    )


def filled(feed: Simulator, *files: BuiltFile, **fields: object) -> Simulator:
    """List files in a feed."""
    for file in files:
        feed.add(file.project, file.filename, file.data, **fields)
    return feed


async def located(house: House, file: BuiltFile) -> FileRef:
    """Find a file through the index `default`."""
    return await house.indexes["default"].locate(ProjectName(file.project), file.filename)


async def read(answer: HeldFile | Arriving) -> bytes:
    """Read a file, held or on its way."""
    if isinstance(answer, HeldFile):
        return await asyncio.to_thread(answer.path.read_bytes)
    return b"".join([await taken(chunk) async for chunk in answer.chunks()])


def descriptors() -> set[str]:
    """Name what this process has open."""
    names = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            names.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")  # noqa: PTH115
        except FileNotFoundError:
            continue  # the one of the listing itself
    return names


def left(folder: Path) -> set[str]:
    """Name the files and folders of the cache and the store that are there for a while only."""
    return {
        str(path.relative_to(folder))
        for place in ("cache/spool", "store/temporary", "store/objects/v1/probes")
        for path in (folder / place).rglob("*")
    }


@pytest.fixture
def dark(tmp_path: Path) -> Iterator[Path]:
    """Give a folder, and hold that nothing temporary is in it in the end."""
    yield tmp_path
    assert left(tmp_path) == set()


async def test_a_house_opens_with_every_upstream_down(dark: Path) -> None:
    """With its upstreams down a house opens, is ready, serves what was held, and fails by name for what was not."""
    async with Simulator() as feed, Simulator() as public:
        filled(feed, SMALL)
        configured = settings(dark, listed(feed, "feed"), listed(public, "public"))
        async with open_house(configured, version="1") as house:
            assert await read(await house.files.obtain(await located(house, SMALL))) == SMALL.data
        await feed.stop()
        await public.stop()
        async with open_house(configured, version="1") as house:
            health = await house.health()
            assert (health.ready, health.reasons) == (True, ())
            assert await read(await house.files.obtain(await located(house, SMALL))) == SMALL.data
            with pytest.raises(Unreachable, match="feed"):
                await house.indexes["default"].project(ProjectName("other"))


async def test_opening_asks_nobody(dark: Path) -> None:
    """Opening a house, asking for its readiness and closing it sends no request to any upstream."""
    events: list[Event] = []
    async with Simulator() as feed:
        async with open_house(
            settings(dark, listed(feed, "feed")), version="1", observer=events.append
        ) as house:
            assert (await house.health()).ready
            assert set(house.indexes) == {"default"}
            assert set(house.upstreams) == {"feed"}
        assert feed.requests == []
    assert [event for event in events if isinstance(event, UpstreamCalled)] == []


async def test_an_offline_house_asks_nobody(dark: Path) -> None:
    """In a house whose index is offline no question of any kind reaches an upstream."""
    async with Simulator() as feed:
        for built in (SMALL, LARGE):
            filled(feed, built, metadata=built.metadata)
        async with open_house(settings(dark, listed(feed, "feed")), version="1") as house:
            await house.files.obtain(await located(house, SMALL))
        feed.forget()
        offline = settings(dark, listed(feed, "feed", page_max_age_seconds=0), mode="offline")
        async with open_house(offline, version="1") as house:
            assert await read(await house.files.obtain(await located(house, SMALL))) == SMALL.data
            cold = await located(house, LARGE)
            await house.indexes["default"].projects()
            questions: list[Callable[[], Awaitable[object]]] = [
                lambda: house.files.obtain(cold),
                lambda: house.files.size(cold),
                lambda: house.files.part(cold, 1, 2),
                lambda: house.files.metadata(cold),
                lambda: house.indexes["default"].project(ProjectName("other")),
                lambda: house.indexes["default"].locate(DEMO, "demo-9.0-py3-none-any.whl"),
            ]
            for question in questions:
                with pytest.raises(NotFound):
                    await question()
        assert feed.requests == []


async def test_each_upstream_gets_its_own_credentials(dark: Path) -> None:
    """Every upstream is asked with the connection whose target matches it best, and one without gets no credentials."""
    (dark / "one").write_text("token-one\n")
    (dark / "wrong").write_text("token-wrong\n")
    (dark / "two").write_text("token-two\n")
    async with (
        Simulator.azure("token-one") as one,
        Simulator(credential=Bearer("token-two"), files_on="files") as two,
        Simulator() as open_to_all,
    ):
        filled(one, wheel("one", "1.0"))
        filled(two, wheel("two", "1.0"))
        filled(open_to_all, wheel("three", "1.0"))
        connections = (
            Connection(
                name="host",
                category="PythonFeed",
                target=one.url,
                auth_type="PAT",
                secret_file=dark / "wrong",
            ),
            Connection(
                name="feed",
                category="PythonFeed",
                target=f"{one.url}/org",
                auth_type="PAT",
                secret_file=dark / "one",
            ),
            Connection(
                name="bearer",
                category="PythonFeed",
                target=two.url,
                auth_type="Bearer",
                secret_file=dark / "two",
            ),
        )
        upstreams = (listed(one, "one"), listed(two, "two"), listed(open_to_all, "three"))
        async with open_house(settings(dark, *upstreams, connections=connections), version="1") as house:
            assert house.connection_names == {"one": "feed", "two": "bearer", "three": None}
            for name in ("one", "two", "three"):
                built = wheel(name, "1.0")
                assert await read(await house.files.obtain(await located(house, built))) == built.data
        admitted = {asked.authorization for asked in one.history if asked.host == "index"}
        assert all(Pat("token-one").admits(authorization) for authorization in admitted)
        assert {asked.authorization for asked in two.history if asked.host == "index"} == {"Bearer token-two"}
        elsewhere = [
            *open_to_all.history,
            *(asked for feed in (one, two) for asked in feed.history if asked.host == "files"),
        ]
        assert elsewhere
        assert {asked.authorization for asked in elsewhere} == {None}


async def test_wheelkeep_says_who_it_is(dark: Path) -> None:
    """Upstreams are told the name and version of wheelkeep."""
    async with Simulator() as feed:
        async with open_house(settings(dark, listed(feed, "feed")), version="1.2.3") as house:
            await house.indexes["default"].projects()
        assert {asked.headers["User-Agent"] for asked in feed.requests} == {"wheelkeep/1.2.3"}


@pytest.mark.parametrize("whole", [True, False])
async def test_small_files_are_whole_first(dark: Path, whole: bool) -> None:  # noqa: FBT001
    """A file is verified before its first byte when `small_file_bytes` says that it is small, and only then."""
    limits = Limits(small_file_bytes=500 * KIB if whole else KIB)
    gate = Gate()
    async with Simulator() as feed:
        filled(feed, LARGE)
        feed.misbehave(faults.hold(gate, 300 * KIB), "*.whl")
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            asking = asyncio.create_task(house.files.obtain(await located(house, LARGE)))
            if not whole:
                assert not isinstance(await asking, HeldFile)
            gate.open()
            assert isinstance(await asking, HeldFile) is whole
            assert await read(await asking) == LARGE.data


@pytest.mark.parametrize(("connections", "asked"), [(4, "bytes=0-16777215"), (1, None)])
async def test_large_files_are_asked_for_in_segments(dark: Path, connections: int, asked: str | None) -> None:
    """From `segment_from_bytes` on a first segment is asked for, unless there is to be one connection."""
    limits = Limits(segment_from_bytes=KIB, segment_connections=connections)
    async with Simulator() as feed:
        filled(feed, LARGE)
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            assert await read(await house.files.obtain(await located(house, LARGE))) == LARGE.data
        assert [request.headers.get("Range") for request in feed.asked("file")] == [asked]


@pytest.mark.parametrize(("relay_from", "relayed"), [(KIB, True), (500 * KIB, False)])
async def test_parts_of_large_files_are_relayed(dark: Path, relay_from: int, relayed: bool) -> None:  # noqa: FBT001
    """A part of a cold file comes from the upstream's ranges from `relay_from_bytes` on; a smaller file is pulled whole."""
    limits = Limits(relay_from_bytes=relay_from)
    async with Simulator() as feed:
        filled(feed, LARGE)
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            part = await house.files.part(await located(house, LARGE), 10, 20)
            assert not isinstance(part, HeldFile)
            assert b"".join([await taken(chunk) async for chunk in part.chunks(10, 20)]) == LARGE.data[10:20]
        assert [asked.headers.get("Range") for asked in feed.asked("file")] == [
            "bytes=10-19" if relayed else None
        ]


async def test_bounds_on_what_upstreams_send(dark: Path) -> None:
    """A page beyond `max_page_bytes` is a failure of its upstream, and a file beyond `max_file_bytes` is refused."""
    limits = Limits(max_page_bytes=4 * KIB, max_file_bytes=300 * KIB)
    async with Simulator(gzip_pages=False) as feed:
        filled(feed, SMALL, LARGE)
        filled(feed, *(wheel("many", f"1.{n}") for n in range(100)))
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            with pytest.raises(Unreachable, match="4096 bytes"):
                await house.indexes["default"].project(ProjectName("many"))
            with pytest.raises(Refused, match="max_file_bytes"):
                await house.files.obtain(await located(house, LARGE))
            assert await read(await house.files.obtain(await located(house, SMALL))) == SMALL.data
        assert feed.count("file", f"*/{LARGE.filename}") == 0


@pytest.mark.parametrize(
    ("limit", "fault_at"), [("first_byte_seconds", None), ("page_seconds", 0), ("between_bytes_seconds", 0)]
)
async def test_an_upstream_that_falls_silent_fails(dark: Path, limit: str, fault_at: int | None) -> None:
    """An upstream that does not answer within a limit of the settings has failed."""
    limits = Limits(**{"connect_seconds": 0.2, limit: 0.05})
    gate = Gate()
    async with Simulator() as feed:
        filled(feed, SMALL)
        feed.misbehave(faults.hold(gate, fault_at), "*/demo/")
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            with pytest.raises(Unreachable, match="feed"):
                await house.indexes["default"].project(DEMO)
        gate.open()


async def test_an_upstream_is_asked_by_so_many_at_once(dark: Path) -> None:
    """No more exchanges with an upstream are under way than `upstream_connections` allows."""
    limits = Limits(upstream_connections=1)
    gate = Gate()
    async with Simulator() as feed:
        filled(feed, SMALL)
        feed.misbehave(faults.hold(gate), "*/demo/", times=1)
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            index = house.indexes["default"]
            first = asyncio.create_task(index.project(DEMO))
            await gate.reached()
            second = asyncio.create_task(index.projects())
            for _ in range(100):
                await asyncio.sleep(0)
            assert feed.count() == 1
            gate.open()
            await asyncio.gather(first, second)


async def test_all_upstreams_are_asked_by_so_many_at_once(dark: Path) -> None:
    """No more exchanges with all upstreams together are under way than `all_upstream_connections` allows."""
    limits = Limits(all_upstream_connections=1)
    gate = Gate()
    async with Simulator() as feed, Simulator() as public:
        filled(feed, SMALL)
        filled(public, SMALL)
        feed.misbehave(faults.hold(gate), "*/demo/", times=1)
        configured = settings(dark, listed(feed, "feed"), listed(public, "public"), limits=limits)
        async with open_house(configured, version="1") as house:
            first = asyncio.create_task(house.upstreams["feed"].fetch_page(DEMO))
            await gate.reached()
            second = asyncio.create_task(house.upstreams["public"].fetch_page(DEMO))
            for _ in range(100):
                await asyncio.sleep(0)
            assert public.count() == 0
            gate.open()
            await asyncio.gather(first, second)
            assert public.count() == 1


async def test_each_upstream_has_its_own_age(dark: Path) -> None:
    """A page is asked for again when it is older than its own upstream allows, and waited for when it says so, by the clock of the house."""
    clock = Clock()
    events: list[Event] = []
    async with Simulator() as feed, Simulator() as public:
        filled(feed, SMALL)
        filled(public, wheel("pub", "1.0"))
        configured = settings(
            dark,
            listed(feed, "feed", page_max_age_seconds=5, page_stale_seconds=0),
            listed(public, "public", page_max_age_seconds=500, page_stale_seconds=600),
        )
        async with open_house(configured, version="1", observer=events.append, clock=clock) as house:
            for _ in range(2):
                await house.indexes["default"].project(DEMO)
                await house.indexes["default"].project(ProjectName("pub"))
                clock.forward(30)
            assert (feed.count("page", "*/demo/"), public.count("page", "*/pub/")) == (2, 1)
            clock.forward(480)
            await house.indexes["default"].project(ProjectName("pub"))
    looks = [event.outcome for event in events if isinstance(event, PageLooked) and event.source == "public"]
    assert [look for look in looks if look != "absent"] == ["fetched", "fresh", "aged"]


async def test_the_cache_keeps_to_its_bound(dark: Path) -> None:
    """Files leave the cache beyond its `max_bytes`."""
    async with Simulator() as feed:
        built = [wheel("demo", f"{n}.0", size=100 * KIB) for n in range(5)]
        filled(feed, *built)
        configured = settings(dark, listed(feed, "feed"))
        cache = Cache(path=dark / "cache", max_bytes=300 * KIB)
        async with open_house(configured.model_copy(update={"cache": cache}), version="1") as house:
            for file in built:
                await house.files.obtain(await located(house, file))
    kept = [path.stat().st_size for path in (dark / "cache").rglob("*") if path.is_file()]
    assert 0 < sum(kept) <= 300 * KIB


async def test_a_house_leaves_nothing(dark: Path) -> None:
    """A house that closes in the middle of downloads, relays and questions leaves no task, open file or temporary file."""
    before, tasks = descriptors(), asyncio.all_tasks()
    limits = Limits(relay_from_bytes=KIB, small_file_bytes=KIB)
    gate = Gate()
    slow = wheel("slow", "1.0", size=400 * KIB)
    async with Simulator() as feed:
        filled(feed, LARGE, slow)
        feed.misbehave(faults.hold(gate, 100 * KIB), f"*/{slow.filename}")
        feed.misbehave(faults.hold(gate, 0), "*/never/")
        async with open_house(settings(dark, listed(feed, "feed"), limits=limits), version="1") as house:
            large, arriving = await located(house, LARGE), await located(house, slow)
            relay = await house.files.part(large, 1, 2)
            flight = await house.files.obtain(arriving)
            assert not isinstance(relay, HeldFile)
            assert not isinstance(flight, HeldFile)
            chunks = flight.chunks()
            assert await anext(chunks)
            asking = asyncio.create_task(house.indexes["default"].project(ProjectName("never")))
            await gate.reached()
            assert left(dark)
        with pytest.raises(Unreachable):
            await anext(chunks)
        with pytest.raises(Unreachable):
            await anext(relay.chunks(1, 2))
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert not [name for name in descriptors() if str(dark) in name]
    assert asyncio.all_tasks() == tasks
    assert descriptors() == before


def test_a_house_that_cannot_open_leaves_nothing(dark: Path) -> None:
    """A house whose cache cannot be used, or whose upstream's hosts are malformed, says so and has nothing open."""
    upstream = Upstream(name="feed", url="https://feed.invalid/simple/")
    (dark / "cache").write_text("a file")
    before = descriptors()

    async def opening(configured: Settings) -> None:
        async with open_house(configured, version="1"):
            pass

    with pytest.raises(StoreError):
        asyncio.run(opening(settings(dark, upstream)))
    (dark / "cache").unlink()
    broken = upstream.model_copy(update={"file_hosts": ("not a host",)})
    with pytest.raises(Invalid):
        asyncio.run(opening(settings(dark, upstream).model_copy(update={"upstreams": (upstream, broken)})))
    assert descriptors() == before
