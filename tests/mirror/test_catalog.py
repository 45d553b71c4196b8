"""The source that answers from records in the store."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from mirror import layout
from mirror.catalog import CatalogIndex
from mirror.errors import FileNotFound, ProjectNotFound, StoreError
from mirror.events import Event, PageLooked
from mirror.model import File, ProjectPage
from mirror.names import ProjectName
from mirror.ports import BlobInfo
from mirror.stores.memory import MemoryStore
from tests.clock import Clock

NAME = ProjectName("six")
KEY = layout.catalog_record("private", NAME)


def record(*filenames: str, name: ProjectName = NAME) -> ProjectPage:
    """Make a project's record."""
    files = tuple(File(filename=each, url="", hashes={"sha256": "0" * 64}) for each in filenames)
    return ProjectPage(name=name, files=files)


class CountingStore(MemoryStore):
    """A store that counts and fails."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.stats = 0
        self.failure: StoreError | None = None

    async def publish(self, page: ProjectPage) -> None:
        """Write a project's record."""
        await self.put(layout.catalog_record("private", page.name), msgspec.json.encode(page))

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read."""
        self.gets += 1
        if self.failure is not None:
            raise self.failure
        return await super().get(key)

    async def stat(self, key: str) -> BlobInfo:
        """Describe."""
        self.stats += 1
        if self.failure is not None:
            raise self.failure
        return await super().stat(key)


@pytest.fixture
def store() -> CountingStore:
    """Give an empty store."""
    return CountingStore()


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def events() -> list[Event]:
    """Give a list for events."""
    return []


@pytest.fixture
def catalog(store: CountingStore, clock: Clock, events: list[Event]) -> CatalogIndex:
    """Give a catalogue of the store's records."""
    return CatalogIndex("private", store, clock, events.append)


async def test_answers_from_records(catalog: CatalogIndex, store: CountingStore, events: list[Event]) -> None:
    """A project with a record is known, with its files, and is not remote."""
    await store.publish(record("six-1.whl"))
    answer = await catalog.project(NAME)
    assert answer.page == record("six-1.whl")
    assert (answer.source, answer.stale_seconds) == ("private", None)
    assert await catalog.recall(NAME) is answer
    assert not catalog.remote
    ref = await catalog.locate(NAME, "six-1.whl")
    assert (ref.source, ref.project, ref.file) == ("private", NAME, answer.page.files[0])
    assert events == [PageLooked("private", "fresh")] * 2


async def test_unknown_project_and_unknown_file(
    catalog: CatalogIndex, store: CountingStore, events: list[Event]
) -> None:
    """A project without a record is unknown; a file that a record has not is another error, final for later sources."""
    await store.publish(record("six-1.whl"))
    with pytest.raises(FileNotFound):
        await catalog.locate(NAME, "six-2.whl")
    with pytest.raises(ProjectNotFound):
        await catalog.project(ProjectName("seven"))
    with pytest.raises(ProjectNotFound):
        await catalog.locate(ProjectName("seven"), "seven-1.whl")
    assert events == [PageLooked("private", "absent")]


async def test_a_record_without_files_is_a_known_project(catalog: CatalogIndex, store: CountingStore) -> None:
    """A name whose every file was taken back stays taken."""
    await store.publish(record())
    assert (await catalog.project(NAME)).page.files == ()
    with pytest.raises(FileNotFound):
        await catalog.locate(NAME, "six-1.whl")


async def test_reads_a_record_once(catalog: CatalogIndex, store: CountingStore, clock: Clock) -> None:
    """However often it is asked for, a record is read once, looked at once a second, and stays the same object."""
    await store.publish(record("six-1.whl"))
    answers = await asyncio.gather(*(catalog.project(NAME) for _ in range(20)))
    assert (store.gets, store.stats) == (1, 0)
    clock.forward(1)
    answers += await asyncio.gather(*(catalog.project(NAME) for _ in range(20)))
    assert (store.gets, store.stats) == (1, 1)
    assert all(answer.page is answers[0].page for answer in answers)


async def test_sees_what_another_process_publishes(
    catalog: CatalogIndex, store: CountingStore, clock: Clock
) -> None:
    """A record that is new, changed or removed is seen after `recheck_seconds`, also when the clock was set back."""
    with pytest.raises(ProjectNotFound):
        await catalog.project(NAME)
    await store.publish(record("six-1.whl"))
    clock.forward(1)
    assert (await catalog.project(NAME)).page == record("six-1.whl")
    await store.publish(record("six-1.whl", "six-2.whl"))
    clock.forward(-3600)
    assert (await catalog.project(NAME)).page == record("six-1.whl", "six-2.whl")
    assert (await catalog.locate(NAME, "six-2.whl")).file.filename == "six-2.whl"
    await store.delete(KEY)
    clock.forward(1)
    with pytest.raises(ProjectNotFound):
        await catalog.project(NAME)


async def test_absence_is_believed_for_a_moment(
    catalog: CatalogIndex, store: CountingStore, clock: Clock
) -> None:
    """A name without a record, which is most of them, does not cost a read for each request."""
    for _ in range(5):
        with pytest.raises(ProjectNotFound):
            await catalog.project(NAME)
    assert store.gets == 1
    clock.forward(1)
    with pytest.raises(ProjectNotFound):
        await catalog.project(NAME)
    assert store.gets == 2


async def test_looks_every_time_when_told_to(store: CountingStore, clock: Clock) -> None:
    """With `recheck_seconds` 0 a change is seen at once."""
    catalog = CatalogIndex("private", store, clock, recheck_seconds=0)
    with pytest.raises(ProjectNotFound):
        await catalog.project(NAME)
    await store.publish(record("six-1.whl"))
    assert (await catalog.project(NAME)).page == record("six-1.whl")


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"name": "\xff"}', msgspec.json.encode(record(name=ProjectName("other")))]
)
async def test_a_damaged_record_is_a_failure(
    catalog: CatalogIndex, store: CountingStore, events: list[Event], damage: bytes
) -> None:
    """A record that cannot be read, or is another project's, is a failure: as "not found" it would give the name away."""
    await store.put(KEY, damage)
    with pytest.raises(StoreError, match=KEY):
        await catalog.project(NAME)
    with pytest.raises(StoreError, match=KEY):
        await catalog.locate(NAME, "six-1.whl")
    assert events == [PageLooked("private", "failed")]


async def test_a_failing_store_is_a_failure_and_not_remembered(
    catalog: CatalogIndex, store: CountingStore, clock: Clock
) -> None:
    """While the store fails the catalogue does, and it answers again when the store does."""
    await store.publish(record("six-1.whl"))
    store.failure = StoreError("down")
    with pytest.raises(StoreError):
        await catalog.project(NAME)
    store.failure = None
    assert (await catalog.project(NAME)).page == record("six-1.whl")
    store.failure = StoreError("down")
    clock.forward(1)
    with pytest.raises(StoreError):
        await catalog.project(NAME)


async def test_lists_projects(catalog: CatalogIndex, store: CountingStore, clock: Clock) -> None:
    """Projects with a record are listed, sorted; those of another catalogue are not; the list is the same until it changes."""
    for name in ("six", "a-b", "a", "z"):
        await store.publish(record(name=ProjectName(name)))
    await store.put(layout.catalog_record("other", NAME), b"{}")
    listing = await catalog.projects()
    assert listing.projects.names == ("a", "a-b", "six", "z")
    clock.forward(1)
    assert (await catalog.recall_projects()).projects is listing.projects
    await store.publish(record(name=ProjectName("b")))
    clock.forward(1)
    assert (await catalog.projects()).projects.names == ("a", "a-b", "b", "six", "z")


async def test_a_list_that_cannot_be_read_is_a_failure(
    catalog: CatalogIndex, store: CountingStore, events: list[Event]
) -> None:
    """A store that fails to list is never an empty list, and is asked again the next time."""

    def broken(_prefix: str) -> AsyncIterator[BlobInfo]:
        raise StoreError("The disk is gone.")

    await store.publish(record("six-1.whl"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "list", broken)
        with pytest.raises(StoreError):
            await catalog.projects()
    assert (await catalog.projects()).projects.names == (NAME,)
    assert events == [PageLooked("private", "failed"), PageLooked("private", "fresh")]


async def test_large_records(catalog: CatalogIndex, store: CountingStore) -> None:
    """A record of 10,000 files is served like a small one."""
    await store.publish(record(*(f"six-{n}.whl" for n in range(10_000))))
    assert len((await catalog.project(NAME)).page.files) == 10_000
    assert (await catalog.locate(NAME, "six-9999.whl")).file.filename == "six-9999.whl"
