"""A source that answers from records in the store: what wheelkeep itself publishes.

A record is the project's page as JSON; its files have a SHA-256 and no URL. A project with a record is known, also when
the record has no file; one without is unknown. A record that cannot be read is a failure: the name is taken, and no
other source may answer for it.
"""

import asyncio
from typing import Literal
from weakref import WeakValueDictionary

import msgspec
from cachetools import LRUCache

from mirror import layout
from mirror.errors import FileNotFound, ProjectNotFound, StoreError
from mirror.events import Observer, PageLooked, nobody
from mirror.model import Answer, File, FileRef, Listing, ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.ports import Clock, Store

HELD_FILES = 50_000
"""Files of records kept in memory, about 1 KB each; an unknown name weighs as one."""
LARGE_BYTES = 256 * 1024
"""A record beyond this is decoded in a thread."""

_PAGE = msgspec.json.Decoder(ProjectPage)


class _Record(msgspec.Struct):
    answer: Answer | None
    """None: there is no record."""
    etag: str
    files: dict[str, File]
    checked: float
    """Unix seconds at which the store was last asked whether it is still this one."""


class CatalogIndex:
    """A local `Source`: the records of one name in the store.

    Args:
        name: of the source, e.g. `private`.
        store: where the records are.
        clock: Unix seconds.
        observer: is told each `PageLooked`.
        recheck_seconds: for so long a record, or its absence, is believed without a look at the store. What another
            process publishes is seen after it; 0 looks every time.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        clock: Clock,
        observer: Observer = nobody,
        *,
        recheck_seconds: float = 1.0,
    ) -> None:
        self.name = name
        self.identity = f"{name}@{layout.LOCAL}"
        self._store = store
        self._clock = clock
        self._observer = observer
        self._recheck_seconds = recheck_seconds
        self._records: LRUCache[ProjectName, _Record] = LRUCache(HELD_FILES, getsizeof=_weight)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._listing = Listing(projects=ProjectList())
        self._listed: float | None = None

    @property
    def remote(self) -> bool:
        """False: all it knows is in the store."""
        return False

    async def projects(self) -> Listing:
        """List the projects that have a record; see the port."""
        async with self._lock("/"):
            if not self._believed(self._listed):
                now = self._clock()
                try:
                    projects = await self._list()
                except StoreError:
                    self._tell("failed")
                    raise
                if projects != self._listing.projects:
                    self._listing = Listing(projects=projects)
                self._listed = now
        self._tell("fresh")
        return self._listing

    async def project(self, name: ProjectName) -> Answer:
        """Give the project's page as its record has it; see the port."""
        try:
            answer = (await self._current(name)).answer
        except StoreError:
            self._tell("failed")
            raise
        if answer is None:
            self._tell("absent")
            raise ProjectNotFound(f"{self.name} has no project {name}.")
        self._tell("fresh")
        return answer

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find one file of a record; see the port."""
        record = await self._current(name)
        if record.answer is None:
            raise ProjectNotFound(f"{self.name} has no project {name}.")
        file = record.files.get(filename)
        if file is None:
            raise FileNotFound(f"{name} has no file {filename} in {self.name}.")
        return FileRef(source=self.name, project=name, file=file)

    async def recall(self, name: ProjectName) -> Answer:
        """Do as `project`: nobody outside knows more."""
        return await self.project(name)

    async def recall_projects(self) -> Listing:
        """Do as `projects`: nobody outside knows more."""
        return await self.projects()

    async def _list(self) -> ProjectList:
        prefix = layout.catalog_records(self.name)
        names = [layout.catalogued(self.name, info.key) async for info in self._store.list(prefix)]
        return ProjectList(names=tuple(sorted(names)))

    async def _current(self, name: ProjectName) -> _Record:
        record = self._records.get(name)
        if record is not None and self._believed(record.checked):
            return record
        async with self._lock(name):
            record = self._records.get(name)
            if record is None or not self._believed(record.checked):
                record = await self._checked(name, record)
                self._records[name] = record
            return record

    async def _checked(self, name: ProjectName, record: _Record | None) -> _Record:
        """Give the record as the store has it; a known one that is unchanged stays the same object."""
        key, now = layout.catalog_record(self.name, name), self._clock()
        try:
            if record is not None and record.answer and (await self._store.stat(key)).etag == record.etag:
                record.checked = now
                return record
            data, info = await self._store.get(key)
        except FileNotFound:
            return _Record(None, "", {}, now)
        page = await self._decoded(key, data)
        if page.name != name:
            raise StoreError(f"{key} in the store is the record of another project; publish {name} again.")
        answer = Answer(page=page, source=self.name)
        return _Record(answer, info.etag, {file.filename: file for file in page.files}, now)

    async def _decoded(self, key: str, data: bytes) -> ProjectPage:
        try:
            if len(data) > LARGE_BYTES:
                return await asyncio.to_thread(_PAGE.decode, data)
            return _PAGE.decode(data)
        except ValueError as error:
            raise StoreError(f"{key} in the store is damaged; restore it or publish it again.") from error

    def _believed(self, checked: float | None) -> bool:
        return checked is not None and 0 <= self._clock() - checked < self._recheck_seconds

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _tell(self, outcome: Literal["fresh", "absent", "failed"]) -> None:
        self._observer(PageLooked(self.name, outcome))


def _weight(record: _Record) -> int:
    return min(len(record.files) + 1, HELD_FILES)
