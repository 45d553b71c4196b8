"""The whole path in one process: a feed that misbehaves, a real house before it, a real server, and a client that keeps everything.

    async with staged(tmp_path, between_bytes_seconds=0.3) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.cut(1000), scene.blob(LARGE), times=1)
        answer = await scene.get(LARGE)

The feed is private, behind a PAT, and redirects files to signed URLs on another host; after it comes a public index. When the
block has ended well, every invariant of `tests.faults.invariants` is asserted.
"""

import asyncio
import io
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from yarl import URL

from config import logs
from config.lines import Lines
from config.settings import Cache, Connection, Index, Limits, Settings, Store, Upstream
from mirror.events import Event
from mirror.fetch import FileService
from mirror.upstream.client import UpstreamClient
from mirror.wiring import House, open_house
from proxy import app as face
from proxy.metrics import Metrics
from proxy.middleware import TRAFFIC, Traffic
from proxy.server import listen, serve
from tests.clock import Clock
from tests.faults import invariants
from tests.faults.asking import Answer, Asking, Client, until
from tests.simulator import Simulator, StoredFile
from tests.wheels import BuiltFile, wheel

KIB = 1024
PAT = "pat-5d0c83f1-faults"
FEED_PROBE = wheel("probe-of-the-feed", "1.0")
PUBLIC_PROBE = wheel("probe-of-the-public", "1.0")
LONG_ENOUGH = 61.0
"""Seconds after which nobody remembers a failure."""


@dataclass
class Scene:
    """Everything a case needs, and everything that was seen while it ran.

    Attributes:
        folder: of everything below.
        feed: the private feed.
        public: the public index behind it.
        house: what the settings were made into.
        traffic: requests under way.
        metrics: what was counted.
        clock: of the house.
        client: asks, and keeps the answers.
        log: all lines that were written.
        events: all that the observer was told.
        right: the bytes that a file of this name may have; the metadata beside it too.
        generations: the file lists that were published of each project, the newest last.
        forbidden: names of files that nobody may ever be given.
        pats: that the feed has taken.
    """

    folder: Path
    feed: Simulator
    public: Simulator
    house: House
    traffic: Traffic
    metrics: Metrics
    clock: Clock
    client: Client
    log: io.StringIO
    events: list[Event]
    right: dict[str, list[bytes]] = field(default_factory=dict)
    generations: dict[str, list[frozenset[str]]] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    pats: list[str] = field(default_factory=lambda: [PAT])

    @property
    def cache(self) -> Path:
        """Where the cache is."""
        return self.folder / "cache"

    @property
    def secret_file(self) -> Path:
        """Where the PAT is read."""
        return self.folder / "feed-pat"

    @property
    def files(self) -> FileService:
        """The file service, to look inside."""
        assert isinstance(self.house.files, FileService)
        return self.house.files

    def publish(self, built: BuiltFile, *, on: Simulator | None = None, **fields: Any) -> StoredFile:
        """List a file on the feed; from now on its page says so, and its bytes are right."""
        upstream = self.feed if on is None else on
        stored = upstream.add(built.project, built.filename, built.data, **fields)
        self.right.setdefault(built.filename, []).append(built.data)
        self.right.setdefault(f"{built.filename}.metadata", []).append(built.metadata)
        listed = frozenset(upstream.project(built.project).files)
        self.generations.setdefault(built.project, []).append(listed)
        return stored

    def blob(self, built: BuiltFile) -> str:
        """Give the pattern of the places at the file host where a file's bytes are, for faults."""
        return f"/signed/*/{built.filename}"

    async def get(self, built: BuiltFile, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a file, and read to the end."""
        return await self.client.ask(path_of(built), headers)

    async def begin(
        self, built: BuiltFile, headers: Mapping[str, str] | None = None, *, slow: bool = False
    ) -> Asking:
        """Ask for a file, and leave the reading to the caller."""
        return await self.client.begin(path_of(built), headers, slow=slow)

    async def page(self, project: str) -> Answer:
        """Ask for a project's page."""
        return await self.client.ask(f"/simple/{project}/")

    async def health(self) -> tuple[str, list[str]]:
        """Ask for the readiness: the word, and the reasons."""
        answer = await self.client.ask("/readyz")
        said = json.loads(answer.body)
        return said["status"], said.get("reasons", [])

    def held(self, built: BuiltFile) -> bool:
        """Tell whether a file is in the cache."""
        return (self.cache / "files-v1" / "sha256" / built.sha256[:2] / built.sha256).is_file()

    def told(self, kind: type[Event], **fields: object) -> int:
        """Count the events of a kind with these fields."""
        return sum(
            isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
            for event in self.events
        )

    def blobs(self, built: BuiltFile) -> list[str | None]:
        """Give the Range of each request for a file's bytes, in order; None: for all of them."""
        return [asked.headers.get("Range") for asked in self.feed.asked("blob", self.blob(built))]

    def pulled(self, built: BuiltFile) -> int:
        """Count the bytes of a file that the file host has sent."""
        return sum(asked.sent for asked in self.feed.asked("blob", self.blob(built)))

    async def landed(self) -> None:
        """Wait until no download is under way any more."""
        await until(lambda: len(self.files._flights) == 0)

    async def quiet(self) -> None:
        """Wait until nothing is under way any more."""
        await until(lambda: not self.client.under_way and not self.traffic.busy)
        await self.landed()

    async def recovers(self) -> None:
        """Lift every fault, let time pass, and have each upstream answer."""
        self.feed.behave()
        self.public.behave()
        self.clock.forward(LONG_ENOUGH)
        for probe, upstream in ((FEED_PROBE, self.feed), (PUBLIC_PROBE, self.public)):
            self.publish(probe, on=upstream)
            answer = await self.page(probe.project)
            assert answer.status == 200, answer.body


def path_of(built: BuiltFile) -> str:
    """Give the path of a file."""
    return f"/files/{built.project}/{built.filename}"


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    before: tuple[Upstream, ...] = (),
    segment_bytes: int | None = None,
    long_body_bytes: int | None = None,
    cache_bytes: int = 10**9,
    page_max_age_seconds: float = 60,
    keepalive_seconds: float = 75,
    most_connections: int = 10_000,
    **limits: Any,
) -> AsyncIterator[Scene]:
    """Build the scene, and assert the invariants in the end.

    Args:
        folder: an empty one.
        before: upstreams that come before the two.
        segment_bytes: of large files.
        long_body_bytes: from how many on the rest of a body is received without a parser.
        cache_bytes: what the cache may hold.
        page_max_age_seconds: as in the settings of an upstream.
        keepalive_seconds: as in the settings of the server.
        most_connections: that the server accepts.
        limits: the table `[limits]` of the settings.
    """
    baseline = invariants.descriptors(), asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        log = stack.enter_context(_logging())
        feed = await stack.enter_async_context(Simulator(pat=PAT, signed=303))
        public = await stack.enter_async_context(Simulator(files_on="files"))
        (folder / "feed-pat").write_text(f"{PAT}\n")
        upstreams = (
            *before,
            *(
                Upstream(
                    name=name,
                    url=each.simple_url,
                    file_hosts=(each.file_host,),
                    page_max_age_seconds=page_max_age_seconds,
                )
                for name, each in (("feed", feed), ("public", public))
            ),
        )
        settings = Settings(
            store=Store(url=f"file:{folder}/store"),
            cache=Cache(path=folder / "cache", max_bytes=cache_bytes),
            limits=Limits(**limits),
            upstreams=upstreams,
            indexes=(Index(name="default", sources=tuple(each.name for each in upstreams)),),
            connections=(
                Connection(
                    name="feed-pat",
                    category="PythonFeed",
                    target=feed.url,
                    auth_type="PAT",
                    secret_file=folder / "feed-pat",
                ),
            ),
        )
        clock, metrics, events = Clock(), Metrics("1.0"), list[Event]()

        def observe(event: Event) -> None:
            events.append(event)
            metrics.observe(event)

        house = await stack.enter_async_context(
            open_house(settings, version="1.0", observer=observe, clock=clock)
        )
        app = face.build(
            indexes=house.indexes,
            files=house.files,
            health=house.health,
            metrics=metrics,
            write_seconds=settings.limits.write_seconds,
            most_requests=settings.limits.requests,
            write_line=Lines(log),
        )
        port = await stack.enter_async_context(
            _served(app, keepalive_seconds=keepalive_seconds, most_connections=most_connections)
        )
        traffic = app[TRAFFIC]
        scene = Scene(folder, feed, public, house, traffic, metrics, clock, Client(port), log, events)
        _hurry(scene, segment_bytes, long_body_bytes)
        yield scene
        await invariants.hold_while_it_runs(scene)
    await invariants.hold_when_it_has_ended(scene, *baseline)


def _hurry(scene: Scene, segment_bytes: int | None, long_body_bytes: int | None) -> None:
    """Let nobody wait before a download is continued, and make some sizes small: what no setting says."""
    limits = scene.files._limits
    division = (
        limits.division
        if segment_bytes is None
        else replace(limits.division, segment_bytes=segment_bytes, watch_seconds=0)
    )
    scene.files._limits = replace(limits, resume_pauses_seconds=(0.0, 0.0, 0.0), division=division)
    for client in scene.house.upstreams.values():
        assert isinstance(client, UpstreamClient)
        if long_body_bytes is not None:
            client._opener._limits = replace(client._opener._limits, long_body_bytes=long_body_bytes)


@asynccontextmanager
async def _served(app: Any, *, keepalive_seconds: float, most_connections: int) -> AsyncIterator[int]:
    """Serve on a free port, and drain in the end as after a SIGTERM."""
    ours, theirs = socket.socketpair()
    [listening] = listen("127.0.0.1", 0)
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with ours, theirs:
        task = asyncio.create_task(
            serve(
                app,
                listening,
                drain_seconds=5,
                keepalive_seconds=keepalive_seconds,
                most_connections=most_connections,
                orders=theirs,
                on_ready=lambda: ready.set_result(None),
            )
        )
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        try:
            port = URL(listening.url).port
            assert port
            yield port
        finally:
            ours.shutdown(socket.SHUT_WR)
            await task


@contextmanager
def _logging() -> Iterator[io.StringIO]:
    """Write the log as the program does, but with no secret known: none must need to be hidden."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.set_up(stream=stream, level=logging.DEBUG)
    try:
        yield stream
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


WAYS: Mapping[str, Mapping[str, Any]] = {
    "stream": {},
    "long": {"long_body_bytes": 1},
    "segments": {"segment_from_bytes": 256 * KIB, "segment_bytes": 128 * KIB},
}
"""In which ways a file of several hundred KiB can come, as arguments of `staged`."""
