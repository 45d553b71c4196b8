"""An upstream as a source: its pages and its list, kept as `mirror.indexes.kept` says, completed by what was learned."""

import math
from typing import Literal

import msgspec
from cachetools import LRUCache

from mirror import layout
from mirror.errors import FileNotFound, NotFound, ProjectNotFound, StoreError, WheelkeepError
from mirror.events import LearningFailed, Observer, PageLooked, nobody
from mirror.indexes.completion import completed
from mirror.indexes.files import FilesByName
from mirror.indexes.kept import LONGEST_ABSENT_SECONDS, Kept, Said, Timing
from mirror.indexes.snapshots import Snapshot, Snapshots
from mirror.model import Answer, FileRef, Learned, Listing, ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.ports import Clock, Ledger, Store, Upstream, Validators

HELD_FILES = 100_000
"""Files of the pages held in memory, about 1 KB each."""
LOOK_AGAIN_SECONDS = 5.0
"""A page that is younger is not asked for again because a file is not on it."""

_PAGES = msgspec.json.Decoder(Snapshot[ProjectPage])
_LISTS = msgspec.json.Decoder(Snapshot[ProjectList])
_LIST = "list"


class _Completion(msgspec.Struct, frozen=True):
    told: ProjectPage
    learned: dict[str, Learned]
    page: ProjectPage


class UpstreamIndex:
    """A remote `Source`. It owns tasks: close it.

    A project that the upstream had and now says it has not is unknown, and its snapshot stays: `recall` still gives it,
    by which `FirstMatch` knows whose name it is.

    Args:
        name: of the source, as the configuration has it.
        upstream: is asked.
        store: where snapshots are.
        ledger: completes the pages.
        clock: Unix seconds.
        observer: is told each `PageLooked`.
        home: the upstream's URL. Snapshots taken at another one are not used.
        page_max_age_seconds: a page is served without a question since the upstream last confirmed it; 0 always asks.
        page_stale_seconds: for so long since then it is served at once and asked for behind the client's back.
        page_stale_if_error_seconds: for so long since then it is served when the upstream fails.
        absent_seconds: "not found" is remembered, 60 at most.
        patience_seconds: who can be given a held page waits for the upstream; the question goes on without them.
        held_files: the bound of the pages in memory, as the number of files on them.
    """

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        store: Store,
        ledger: Ledger,
        *,
        clock: Clock,
        observer: Observer = nobody,
        home: str,
        page_max_age_seconds: float = 60.0,
        page_stale_seconds: float = 0.0,
        page_stale_if_error_seconds: float = math.inf,
        absent_seconds: float = LONGEST_ABSENT_SECONDS,
        patience_seconds: float = 2.0,
        held_files: int = HELD_FILES,
    ) -> None:
        self.name = name
        place = layout.home_of(home)
        self.identity = f"{name}@{place}"
        self._upstream = upstream
        self._ledger = ledger
        self._observer = observer
        timing = Timing(
            max_age_seconds=page_max_age_seconds,
            stale_seconds=page_stale_seconds,
            stale_if_error_seconds=page_stale_if_error_seconds,
            absent_seconds=absent_seconds,
            patience_seconds=patience_seconds,
        )
        pages = Snapshots(
            store,
            _PAGES,
            lambda key: layout.snapshot_of_page(name, place, ProjectName(key)),
            lambda page: len(page.files),
        )
        lists = Snapshots(
            store,
            _LISTS,
            lambda _: layout.snapshot_of_list(name, place),
            lambda projects: len(projects.names),
        )
        self._pages = Kept(
            name,
            self._ask_page,
            pages,
            capacity=held_files,
            timing=timing,
            clock=clock,
            unwritten=self._unwritten,
        )
        self._lists = Kept(
            name, self._ask_list, lists, capacity=1, timing=timing, clock=clock, unwritten=self._unwritten
        )
        self._files = FilesByName()
        self._completions: LRUCache[ProjectName, _Completion] = LRUCache(
            held_files, getsizeof=lambda completion: min(len(completion.page.files) + 1, held_files)
        )

    @property
    def remote(self) -> bool:
        """True: somebody outside is asked."""
        return True

    async def projects(self) -> Listing:
        """List the upstream's projects; see the port."""
        try:
            said = await self._lists.say(_LIST)
        except WheelkeepError:
            self._tell("failed")
            raise
        self._tell(said.outcome)
        return Listing(projects=said.value, stale_seconds=said.stale_seconds)

    async def project(self, name: ProjectName) -> Answer:
        """Give the upstream's page; see the port."""
        try:
            said = await self._pages.say(name)
            answer = await self._answer(name, said)
        except NotFound:
            self._tell("absent")
            raise
        except WheelkeepError:
            self._tell("failed")
            raise
        self._tell(said.outcome)
        return answer

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find one file; see the port.

        A file that is not on the page may have been uploaded since: the upstream is asked again, unless it was within
        `LOOK_AGAIN_SECONDS`. When it cannot be asked, that is the failure: the page that is held proves nothing.
        """
        page = (await self.project(name)).page
        file = self._files.find(page, filename)
        if file is None:
            said = await self._pages.say_anew(name, within_seconds=LOOK_AGAIN_SECONDS)
            page = (await self._answer(name, said)).page
            file = self._files.find(page, filename)
        if file is None:
            raise FileNotFound(f"{name} has no file {filename} in {self.name}.")
        return FileRef(source=self.name, project=name, file=file)

    async def recall(self, name: ProjectName) -> Answer:
        """Give what is held of the page, asking nobody, with its age; see the port."""
        said = await self._pages.recall(name)
        if said is None:
            raise ProjectNotFound(f"Nothing is held of {name} from {self.name}.")
        return await self._answer(name, said)

    async def recall_projects(self) -> Listing:
        """List what the upstream last listed, asking nobody, with its age; see the port."""
        said = await self._lists.recall(_LIST)
        if said is None:
            return Listing(projects=ProjectList())
        return Listing(projects=said.value, stale_seconds=said.stale_seconds)

    async def aclose(self) -> None:
        """Stop what is being asked."""
        await self._pages.aclose()
        await self._lists.aclose()

    async def _ask_page(self, key: str, known: Validators | None) -> tuple[ProjectPage, Validators] | None:
        fetched = await self._upstream.fetch_page(ProjectName(key), known)
        return None if fetched is None else (fetched.page, fetched.validators)

    async def _ask_list(self, _key: str, known: Validators | None) -> tuple[ProjectList, Validators] | None:
        fetched = await self._upstream.fetch_list(known)
        return None if fetched is None else (fetched.projects, fetched.validators)

    async def _answer(self, name: ProjectName, said: Said[ProjectPage]) -> Answer:
        """Complete what was said; the same words with the same knowledge make the same page object."""
        learned = await self._ledger.learned(self.name, name)
        last = self._completions.get(name)
        if last is None or last.told is not said.value or last.learned is not learned:
            page = completed(said.value, learned)
            if last is not None and last.page == page:
                page = last.page
            last = self._completions[name] = _Completion(said.value, learned, page)
        return Answer(page=last.page, source=self.name, stale_seconds=said.stale_seconds)

    def _unwritten(self, error: StoreError) -> None:
        self._observer(LearningFailed(self.name, str(error)))

    def _tell(
        self, outcome: Literal["fresh", "aged", "revalidated", "fetched", "stale", "absent", "failed"]
    ) -> None:
        self._observer(PageLooked(self.name, outcome))
