"""What a client points at: ordered sources of which one answers, alone.

The rules, each a defence against dependency confusion:

1. The first source that knows the project answers; a later one is not asked.
2. A source that fails is a failure, never "not found", and never a reason to ask the next one.
3. A name that a remote source was once seen to have stays its own: when it no longer has it, the project is not found.
   It is so for as long as the store holds that source's page.
4. What is held is served in the place of a source that fails, or is not to be asked, when its owner is beyond doubt: it
   is the first that holds the project, and each remote source before it either says no now, or said no when the owner
   last answered (a route, `mirror.indexes.routes`). A route is good for the held page and for the bytes whose digest it
   tells; whatever else is asked for, is asked for in order.

Modes: `online` asks. `fallback` answers with what is held by rule 4, however old, and asks for what is not. `offline`
asks nobody outside, ever; local sources answer at once, remote ones by rule 4.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

import msgspec

from mirror.errors import FileNotFound, ProjectNotFound, StoreError, UpstreamError
from mirror.events import LearningFailed, Observer, PageLooked, nobody
from mirror.indexes.files import FilesByName
from mirror.indexes.routes import Routes
from mirror.model import Answer, FileRef, Listing, ProjectList
from mirror.names import ProjectName
from mirror.ports import Clock, Source, Store

Mode = Literal["online", "fallback", "offline"]

LARGE_LIST = 5_000
"""Lists with more names in all are merged in a thread."""


class _Found(msgspec.Struct, frozen=True):
    answer: Answer
    source: Source
    failure: UpstreamError | None = None
    """Of an earlier source, which this answer stands in for."""
    by_route: bool = False
    """Whether an earlier source was not asked, and a route alone says that the project is not its own."""


class FirstMatch:
    """An `Index` over ordered sources.

    Args:
        name: of the index, as the configuration has it.
        sources: in order; not empty.
        mode: see the module.
        store: where routes are.
        clock: Unix seconds.
        observer: is told a `PageLooked` for what a source gave from what it holds; the sources tell the rest.
    """

    def __init__(
        self,
        name: str,
        sources: Sequence[Source],
        mode: Mode,
        *,
        store: Store,
        clock: Clock,
        observer: Observer = nobody,
    ) -> None:
        self.name = name
        self.mode = mode
        self._sources = tuple(sources)
        self._observer = observer
        self._routes = Routes(name, store, clock)
        self._files = FilesByName()
        self._parts: tuple[ProjectList, ...] = ()
        self._union = ProjectList()

    async def projects(self) -> Listing:
        """List the projects of all sources, sorted and unique; see the port."""
        listings = [await self._list(source) for source in self._sources]
        ages = [listing.stale_seconds for listing in listings if listing.stale_seconds is not None]
        parts = tuple(listing.projects for listing in listings if listing.projects.names)
        return Listing(projects=await self._merged(parts), stale_seconds=max(ages, default=None))

    async def project(self, name: ProjectName) -> Answer:
        """Give the page of the one source whose project it is; see the port."""
        return (await self._find(name)).answer

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find one file of the one source whose project it is; see the port."""
        found = await self._find(name)
        file = self._files.find(found.answer.page, filename)
        if self.mode == "fallback" and found.by_route and (file is None or file.sha256 is None):
            found = await self._ask(name)
            file = self._files.find(found.answer.page, filename)
        if found.failure is not None and (file is None or file.sha256 is None):
            raise found.failure
        if file is not None:
            reachable = self.mode != "offline"
            return FileRef(source=found.source.name, project=name, file=file, reachable=reachable)
        if found.source.remote and self.mode != "offline":
            return await found.source.locate(name, filename)  # It may have been uploaded since.
        raise FileNotFound(f"{name} has no file {filename} in {found.source.name}.")

    async def _find(self, name: ProjectName) -> _Found:
        if self.mode == "online":
            return await self._ask(name)
        found = await self._recall(name, self._sources)
        if found is not None:
            return found
        if self.mode == "fallback":
            return await self._ask(name)
        raise ProjectNotFound(f"{name} is not held, and the index {self.name} is offline.")

    async def _ask(self, name: ProjectName) -> _Found:
        denied: list[str] = []
        for position, source in enumerate(self._sources):
            try:
                answer = await source.project(name)
            except ProjectNotFound:
                if source.remote:
                    await self._keep_name(name, source)
                    denied.append(source.identity)
            except UpstreamError as failure:
                found = await self._recall(name, self._sources[position:], failure)
                if found is None or found.source is source:  # what the source itself holds is too old
                    raise
                return found
            else:
                if denied:
                    await self._keep_route(name, source, tuple(denied))
                return _Found(answer, source)
        raise ProjectNotFound(f"No source of the index {self.name} has a project {name}.")

    async def _keep_route(self, name: ProjectName, owner: Source, denied: tuple[str, ...]) -> None:
        """Write down who answered; a store that is full keeps nobody from the answer."""
        try:
            await self._routes.keep(name, owner.identity, denied)
        except StoreError as error:
            self._observer(LearningFailed(owner.name, str(error)))

    async def _keep_name(self, name: ProjectName, source: Source) -> None:
        """See that the name was never the source's, which now says no (rule 3)."""
        try:
            await source.recall(name)
        except ProjectNotFound:
            return
        raise ProjectNotFound(
            f"{source.name} had a project {name} and has it no longer; the name stays its own, so nobody else is asked."
        )

    async def _recall(
        self, name: ProjectName, sources: Sequence[Source], failure: UpstreamError | None = None
    ) -> _Found | None:
        """Give what is held, when its owner is beyond doubt (rule 4); None when nothing is, or it is in doubt."""
        unasked: set[str] = set()
        for source in sources:
            try:
                answer = await source.recall(name)
            except ProjectNotFound:
                if source.remote:
                    unasked.add(source.identity)
                continue
            believed = self.mode == "offline" and not source.remote
            if unasked and not believed and not await self._routes.proves(name, unasked):
                return None
            if source.remote:
                self._observer(PageLooked(source.name, "stale"))
            return _Found(answer, source, failure, by_route=bool(unasked) and not believed)
        return None

    async def _list(self, source: Source) -> Listing:
        if self.mode != "online":
            listing = await source.recall_projects()
            if listing.projects.names or self.mode == "offline":
                return listing
        return await source.projects()

    async def _merged(self, parts: tuple[ProjectList, ...]) -> ProjectList:
        """Make one list of several; the same object for as long as they are the same objects."""
        if len(parts) == 1:
            return parts[0]
        same = len(parts) == len(self._parts) and all(
            new is old for new, old in zip(parts, self._parts, strict=True)
        )
        if not same:
            if sum(len(part.names) for part in parts) > LARGE_LIST:
                union = await asyncio.to_thread(_merge, parts)
            else:
                union = _merge(parts)
            self._parts, self._union = parts, union
        return self._union


def _merge(parts: tuple[ProjectList, ...]) -> ProjectList:
    return ProjectList(names=tuple(sorted(set().union(*(part.names for part in parts)))))
