"""What tests of indexes stand on: upstreams in memory whose answers can be held back, a store that counts, a clock."""

import asyncio
import math
from dataclasses import dataclass, field

from mirror.errors import StoreError, Unreachable
from mirror.events import Event, PageLooked
from mirror.indexes import FirstMatch, Mode, UpstreamIndex
from mirror.ledger import StoreLedger
from mirror.model import ProjectPage
from mirror.names import ProjectName
from mirror.ports import BlobInfo, FetchedList, FetchedPage, Source, Validators
from mirror.stores.memory import MemoryStore
from tests.clock import Clock
from tests.memory import MemoryUpstream

SIX = ProjectName("six")


@dataclass
class Feed(MemoryUpstream):
    """An upstream whose answers wait for `released` once it is cleared, and which shows the validators it is asked with."""

    released: asyncio.Event = field(default_factory=asyncio.Event)
    known: list[Validators | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.released.set()

    def down(self) -> None:
        """Fail from now on."""
        self.failure = Unreachable(self.name, f"The upstream {self.name} is down.")

    def up(self) -> None:
        """Answer again."""
        self.failure = None

    def page(self, *filenames: str, project: str = "six", etag: str | None = None) -> ProjectPage:
        """Let the project's page be of these files; a changed page has another tag, when it has one."""
        name = ProjectName(project)
        self.pages.pop(name, None)
        for filename in filenames:
            self.add(project, filename, filename.encode(), listed_hash=False, listed_size=False)
        page = self.pages.setdefault(name, ProjectPage(name=name))
        self.etags.pop(name, None)
        if etag is not None:
            self.etags[name] = etag
        return page

    async def fetch_page(self, project: ProjectName, known: Validators | None = None) -> FetchedPage | None:
        """Answer once it is released."""
        self.known.append(known)
        try:
            return await super().fetch_page(project, known)
        finally:
            await self.released.wait()

    async def fetch_list(self, known: Validators | None = None) -> FetchedList | None:
        """Answer once it is released."""
        try:
            return await super().fetch_list(known)
        finally:
            await self.released.wait()


class CountingStore(MemoryStore):
    """A store that counts what is written and read, and that can be full."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.read: list[str] = []
        self.full = False

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write, unless it is full."""
        if self.full:
            raise StoreError("The disk is full.")
        self.written.append(key)
        return await super().put(key, data, if_match=if_match, if_absent=if_absent)

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read."""
        self.read.append(key)
        return await super().get(key)


@dataclass
class Scene:
    """A store, a clock, and what was observed. `source` and `index` make new objects: a restart is to make them again."""

    store: CountingStore = field(default_factory=CountingStore)
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)

    @property
    def outcomes(self) -> list[str]:
        """Give the outcomes of all lookups so far."""
        return [event.outcome for event in self.events if isinstance(event, PageLooked)]

    def ledger(self) -> StoreLedger:
        """Make a ledger."""
        return StoreLedger(self.store)

    def source(
        self,
        feed: MemoryUpstream,
        *,
        ledger: StoreLedger | None = None,
        home: str | None = None,
        max_age: float = 60.0,
        stale: float = 0.0,
        stale_if_error: float = math.inf,
        absent: float = 60.0,
        patience: float = 60.0,
        held_files: int = 1000,
    ) -> UpstreamIndex:
        """Make a source of an upstream."""
        return UpstreamIndex(
            feed.name,
            feed,
            self.store,
            ledger or self.ledger(),
            clock=self.clock,
            observer=self.events.append,
            home=home or f"https://{feed.name}.invalid/simple/",
            page_max_age_seconds=max_age,
            page_stale_seconds=stale,
            page_stale_if_error_seconds=stale_if_error,
            absent_seconds=absent,
            patience_seconds=patience,
            held_files=held_files,
        )

    def index(self, *sources: Source, mode: Mode = "online") -> FirstMatch:
        """Make an index of sources."""
        return FirstMatch(
            "default", sources, mode, store=self.store, clock=self.clock, observer=self.events.append
        )


async def settle() -> None:
    """Let every task run until it waits for something else."""
    for _ in range(50):
        await asyncio.sleep(0)
