"""Pages that are not fresh: served at once for a while, in the place of a failure for longer, and then no more."""

import asyncio

import pytest

from mirror import layout
from mirror.errors import Unreachable
from mirror.events import LearningFailed
from mirror.indexes import kept
from mirror.names import ProjectName
from mirror.ports import BlobInfo
from tests.mirror.indexes.scene import SIX, CountingStore, Feed, Scene, settle

PAGE_KEY = layout.snapshot_of_page("feed", layout.home_of("https://feed.invalid/simple/"), SIX)


class SlowStore(CountingStore):
    """A store whose writes wait for `writable`."""

    def __init__(self) -> None:
        super().__init__()
        self.writable = asyncio.Event()

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write once it may."""
        await self.writable.wait()
        return await super().put(key, data, if_match=if_match, if_absent=if_absent)


class TestWhileItIsAskedFor:
    """Stale-while-revalidate."""

    async def test_served_at_once_and_asked_for_once(self, scene: Scene, feed: Feed) -> None:
        """An aged page is served to everybody without a wait, unmarked, while one question is under way."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale=600)
        first = (await source.project(SIX)).page
        changed = feed.page("six-1.whl", "six-2.whl")
        scene.clock.forward(599)
        feed.released.clear()
        answers = [await source.project(SIX) for _ in range(20)]
        assert all(answer.page is first and answer.stale_seconds is None for answer in answers)
        await settle()
        assert feed.calls["page"] == 2
        feed.released.set()
        await settle()
        assert (await source.project(SIX)).page == changed
        assert feed.calls["page"] == 2
        assert scene.outcomes == ["fetched"] + ["aged"] * 20 + ["fresh"]

    async def test_beyond_its_time_it_is_waited_for(self, scene: Scene, feed: Feed) -> None:
        """A page that is older than its window is not served before its upstream was asked."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale=600)
        await source.project(SIX)
        changed = feed.page("six-1.whl", "six-2.whl")
        scene.clock.forward(600)
        assert (await source.project(SIX)).page == changed

    async def test_after_a_restart(self, scene: Scene, feed: Feed) -> None:
        """A snapshot in its window is served at once as well."""
        page = feed.page("six-1.whl")
        await scene.source(feed).project(SIX)
        await settle()
        scene.clock.forward(300)
        feed.released.clear()
        restarted = scene.source(feed, stale=600)
        assert (await restarted.project(SIX)).page == page
        feed.released.set()
        await restarted.aclose()

    async def test_an_age_of_zero_always_asks(self, scene: Scene, feed: Feed) -> None:
        """Where every request asks, none is answered before."""
        feed.page("six-1.whl")
        source = scene.source(feed, max_age=0, stale=600)
        await source.project(SIX)
        changed = feed.page("six-1.whl", "six-2.whl")
        assert (await source.project(SIX)).page == changed

    async def test_a_failing_upstream_marks_it(self, scene: Scene, feed: Feed) -> None:
        """While the upstream fails an aged page is marked with its age; asked once a second, it mends unseen."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale=600)
        await source.project(SIX)
        scene.clock.forward(60)
        feed.down()
        assert (await source.project(SIX)).stale_seconds is None
        await settle()
        for _ in range(10):
            assert (await source.project(SIX)).stale_seconds == 60
        assert feed.calls["page"] == 2
        feed.up()
        scene.clock.forward(1)
        assert (await source.project(SIX)).stale_seconds == 61
        await settle()
        assert (await source.project(SIX)).stale_seconds is None
        assert feed.calls["page"] == 3

    async def test_a_file_that_is_not_on_it_is_looked_for(self, scene: Scene, feed: Feed) -> None:
        """A file that an aged page does not show is asked for before it is missing."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale=600)
        await source.project(SIX)
        scene.clock.forward(60)
        feed.page("six-1.whl", "six-2.whl")
        assert (await source.locate(SIX, "six-2.whl")).file.filename == "six-2.whl"


class TestInThePlaceOfAFailure:
    """Stale-if-error, and its end."""

    async def test_not_beyond_its_limit(self, scene: Scene, feed: Feed) -> None:
        """What is older than its limit is the failure itself, for pages and lists, from the source and from an index."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale_if_error=3600)
        index = scene.index(source)
        await index.project(SIX)
        await index.projects()
        feed.down()
        scene.clock.forward(3599)
        assert (await index.project(SIX)).stale_seconds == 3599
        assert (await index.projects()).stale_seconds == 3599
        scene.clock.forward(1)
        for asked in (source, index):
            with pytest.raises(Unreachable):
                await asked.project(SIX)
            with pytest.raises(Unreachable):
                await asked.projects()
        feed.up()
        assert (await index.project(SIX)).stale_seconds is None

    async def test_a_later_source_does_not_take_its_place(self, scene: Scene, feed: Feed) -> None:
        """A name whose page is too old to be served stays its owner's while the owner fails."""
        feed.page("six-1.whl")
        other = Feed("other")
        other.page("six-666.whl")
        index = scene.index(scene.source(feed, stale_if_error=3600), scene.source(other))
        await index.project(SIX)
        scene.clock.forward(3600)
        feed.down()
        with pytest.raises(Unreachable):
            await index.project(SIX)
        assert other.calls["page"] == 0

    async def test_held_on_purpose_it_has_no_limit(self, scene: Scene, feed: Feed) -> None:
        """An index that is offline serves what is held, however old."""
        feed.page("six-1.whl")
        source = scene.source(feed, stale_if_error=3600)
        await source.project(SIX)
        scene.clock.forward(86_400)
        assert (await scene.index(source, mode="offline").project(SIX)).stale_seconds == 86_400


class TestWritingItDown:
    """Snapshots are written behind the back of who asked."""

    async def test_nobody_waits(self, feed: Feed) -> None:
        """An answer does not wait for the store; the snapshot is there once the source is closed."""
        store = SlowStore()
        scene = Scene(store)
        feed.page("six-1.whl")
        source = scene.source(feed)
        await source.project(SIX)
        assert store.written == []
        closing = asyncio.create_task(source.aclose())
        await settle()
        assert not closing.done()
        store.writable.set()
        await closing
        assert store.written == [PAGE_KEY]

    async def test_the_last_word_is_what_is_kept(self, feed: Feed) -> None:
        """When the upstream says something new while its last word is being written, that is written as well."""
        store = SlowStore()
        scene = Scene(store)
        source = scene.source(feed, max_age=0)
        for names in (["six-1.whl"], ["six-1.whl", "six-2.whl"], ["six-3.whl"]):
            feed.page(*names)
            await source.project(SIX)
        store.writable.set()
        await source.aclose()
        assert (await scene.source(feed).recall(SIX)).page == feed.pages[SIX]
        assert store.written == [PAGE_KEY, PAGE_KEY]

    async def test_what_is_not_yet_written_is_held(self, feed: Feed) -> None:
        """A page that left memory before it was written is still known, so that its name is nobody else's."""
        store = SlowStore()
        scene = Scene(store)
        names = [ProjectName(f"p{n}") for n in range(5)]
        source = scene.source(feed, held_files=2)
        for name in names:
            feed.page(f"{name}-1.whl", project=name)
            await source.project(name)
        for name in names:
            assert (await source.recall(name)).page == feed.pages[name]
        store.writable.set()
        await source.aclose()

    async def test_not_more_than_a_few_at_a_time(self, feed: Feed) -> None:
        """A store that is slower than the upstream slows the answers down, in the place of filling the memory."""
        store = SlowStore()
        scene = Scene(store)
        source = scene.source(feed)
        names = [ProjectName(f"p{n}") for n in range(kept.MOST_UNWRITTEN + 1)]
        for name in names:
            feed.page(f"{name}-1.whl", project=name)
        for name in names[:-1]:
            await source.project(name)
        last = asyncio.create_task(source.project(names[-1]))
        await settle()
        assert not last.done()
        store.writable.set()
        await last
        await source.aclose()

    async def test_a_store_that_is_full_is_told(self, scene: Scene, feed: Feed) -> None:
        """A snapshot that cannot be written is an event, and is tried again with the next answer."""
        scene.store.full = True
        feed.page("six-1.whl")
        source = scene.source(feed)
        await source.project(SIX)
        await settle()
        assert [event.reason for event in scene.events if isinstance(event, LearningFailed)] == [
            "The disk is full."
        ]
        scene.store.full = False
        scene.clock.forward(60)
        await source.project(SIX)
        await settle()
        assert scene.store.written == [PAGE_KEY]
