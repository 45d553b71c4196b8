"""An upstream as a source: when it is asked, what is kept, and what is served when it fails."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from mirror import layout
from mirror.errors import (
    FileNotFound,
    ProjectNotFound,
    Rejected,
    StoreError,
    Throttled,
    Unreachable,
    UpstreamError,
)
from mirror.events import LearningFailed
from mirror.model import File, Learned, ProjectPage
from mirror.names import ProjectName, Sha256
from mirror.ports import FetchedPage, Validators
from tests.mirror.indexes.scene import SIX, Feed, Scene, settle

PAGE_KEY = layout.snapshot_of_page("feed", layout.home_of("https://feed.invalid/simple/"), SIX)


class TestFreshness:
    """When the upstream is asked."""

    async def test_once_within_its_age(self, scene: Scene, feed: Feed) -> None:
        """A page is asked for once in `page_max_age_seconds`, and is the same object all the while."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        first = (await source.project(SIX)).page
        scene.clock.forward(59.9)
        assert (await source.project(SIX)).page is first
        assert feed.calls["page"] == 1
        scene.clock.forward(0.1)
        assert (await source.project(SIX)).page is first
        assert feed.calls["page"] == 2
        assert scene.outcomes == ["fetched", "fresh", "fetched"]

    async def test_confirmation_renews_the_age(self, scene: Scene, feed: Feed) -> None:
        """A page that the upstream confirms as unmodified is fresh again, the same object, and nothing is written."""
        feed.page("six-1.whl", etag='"1"')
        source = scene.source(feed)
        first = (await source.project(SIX)).page
        scene.clock.forward(60)
        assert (await source.project(SIX)).page is first
        scene.clock.forward(59)
        assert (await source.project(SIX)).page is first
        assert feed.known == [None, Validators(etag='"1"')]
        assert scene.outcomes == ["fetched", "revalidated", "fresh"]
        assert scene.store.written == [PAGE_KEY]

    async def test_zero_age_always_asks(self, scene: Scene, feed: Feed) -> None:
        """With an age of 0 every request asks."""
        feed.page("six-1.whl")
        source = scene.source(feed, max_age=0)
        for _ in range(3):
            await source.project(SIX)
        assert feed.calls["page"] == 3

    async def test_a_clock_set_back_makes_nothing_fresh_for_longer(self, scene: Scene, feed: Feed) -> None:
        """After the clock was set back by years a page, or a "not found", is asked for anew."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        await source.project(SIX)
        with pytest.raises(ProjectNotFound):
            await source.project(ProjectName("new"))
        scene.clock.forward(-1e8)
        await source.project(SIX)
        feed.page("new-1.whl", project="new")
        await source.project(ProjectName("new"))
        assert feed.calls["page"] == 4
        scene.clock.forward(1e8 + 1)
        await source.project(ProjectName("new"))

    async def test_a_changed_page_is_another_object(self, scene: Scene, feed: Feed) -> None:
        """What the upstream changes is served and written once it is asked again."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        first = (await source.project(SIX)).page
        changed = feed.page("six-1.whl", "six-2.whl")
        scene.clock.forward(60)
        second = (await source.project(SIX)).page
        assert second == changed
        assert second is not first
        assert scene.store.written == [PAGE_KEY, PAGE_KEY]


class TestOneQuestion:
    """However many ask."""

    async def test_many_share_one_question(self, scene: Scene, feed: Feed) -> None:
        """Many who ask for one page at once, cold or aged, make one question and get one object."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        for expected in (1, 2):
            answers = await asyncio.gather(*(source.project(SIX) for _ in range(50)))
            assert feed.calls["page"] == expected
            assert all(answer.page is answers[0].page for answer in answers)
            scene.clock.forward(60)
        assert scene.store.read.count(PAGE_KEY) == 1

    async def test_who_leaves_stops_nothing(self, scene: Scene, feed: Feed) -> None:
        """The one who asked first, or all, may leave: the question goes on and its answer is kept."""
        feed.page("six-1.whl")
        feed.released.clear()
        source = scene.source(feed)
        first, second = (asyncio.create_task(source.project(SIX)) for _ in range(2))
        await settle()
        first.cancel()
        await settle()
        feed.released.set()
        assert (await second).page == feed.pages[SIX]
        feed.released.clear()
        scene.clock.forward(60)
        alone = asyncio.create_task(source.project(SIX))
        await settle()
        alone.cancel()
        await settle()
        feed.released.set()
        await settle()
        await source.project(SIX)
        assert feed.calls["page"] == 2

    async def test_an_error_is_told_to_all_and_forgotten(self, scene: Scene, feed: Feed) -> None:
        """An error goes to all who wait, one question is made, and the next request asks anew."""
        feed.down()
        source = scene.source(feed)
        outcomes = await asyncio.gather(*(source.project(SIX) for _ in range(20)), return_exceptions=True)
        assert all(isinstance(outcome, Unreachable) for outcome in outcomes)
        assert feed.calls["page"] == 1
        feed.up()
        feed.page("six-1.whl")
        assert (await source.project(SIX)).page == feed.pages[SIX]
        assert scene.outcomes == ["failed"] * 20 + ["fetched"]

    async def test_an_error_nobody_waits_for(self, scene: Scene, feed: Feed) -> None:
        """A question that fails after all have left disturbs nobody."""
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        source = scene.source(feed)
        feed.down()
        feed.released.clear()
        waiting = asyncio.create_task(source.project(SIX))
        await settle()
        waiting.cancel()
        await settle()
        feed.released.set()
        await settle()
        gc.collect()
        assert feed.calls["page"] == 1
        assert complaints == []

    async def test_closing_stops_what_is_asked(self, scene: Scene, feed: Feed) -> None:
        """Closing the source ends its tasks, and those who wait are not left waiting."""
        feed.page("six-1.whl")
        feed.released.clear()
        source = scene.source(feed)
        waiting = asyncio.create_task(source.project(SIX))
        await settle()
        await source.aclose()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert len(asyncio.all_tasks()) == 1


class TestAbsence:
    """What the upstream does not know."""

    async def test_remembered_for_a_minute(self, scene: Scene, feed: Feed) -> None:
        """A project that the upstream does not know is asked for once a minute, and never written down."""
        source = scene.source(feed)
        for _ in range(3):
            with pytest.raises(ProjectNotFound):
                await source.project(SIX)
        assert feed.calls["page"] == 1
        scene.clock.forward(60)
        feed.page("six-1.whl")
        assert (await source.project(SIX)).page == feed.pages[SIX]
        assert scene.outcomes == ["absent"] * 3 + ["fetched"]

    async def test_never_for_longer(self, scene: Scene, feed: Feed) -> None:
        """Whatever is configured, an absence is not remembered for more than 60 s."""
        source = scene.source(feed, absent=3600)
        with pytest.raises(ProjectNotFound):
            await source.project(SIX)
        scene.clock.forward(60)
        with pytest.raises(ProjectNotFound):
            await source.project(SIX)
        assert feed.calls["page"] == 2

    async def test_not_at_all(self, scene: Scene, feed: Feed) -> None:
        """With 0 an absence is not remembered."""
        source = scene.source(feed, absent=0)
        for _ in range(2):
            with pytest.raises(ProjectNotFound):
                await source.project(SIX)
        assert feed.calls["page"] == 2

    async def test_of_a_project_that_is_held(self, scene: Scene, feed: Feed) -> None:
        """When the upstream says that a held project is gone, it is; what was held can be recalled, also after a restart."""
        page = feed.page("six-1.whl")
        source = scene.source(feed, max_age=600)
        await source.project(SIX)
        del feed.pages[SIX]
        scene.clock.forward(6)
        with pytest.raises(ProjectNotFound):
            await source.locate(SIX, "six-2.whl")
        for forward in (0, 60):
            scene.clock.forward(forward)
            with pytest.raises(ProjectNotFound):
                await source.project(SIX)
        assert (await source.recall(SIX)).page == page
        assert (await scene.source(feed).recall(SIX)).page == page
        feed.page("six-3.whl")
        scene.clock.forward(60)
        assert (await source.project(SIX)).page == feed.pages[SIX]


class TestFailure:
    """What is served while the upstream fails."""

    @pytest.mark.parametrize(
        "failure", [Unreachable("feed", "down"), Rejected("feed", "401"), Throttled("feed", "429")]
    )
    async def test_what_is_held_is_served_and_marked(
        self, scene: Scene, feed: Feed, failure: UpstreamError
    ) -> None:
        """A held page is served while the upstream fails, however it does, with the age of its last confirmation."""
        feed.page("six-1.whl", etag='"1"')
        source = scene.source(feed)
        page = (await source.project(SIX)).page
        scene.clock.forward(60)
        await source.project(SIX)
        scene.clock.forward(90)
        feed.failure = failure
        answer = await source.project(SIX)
        assert answer.page is page
        assert answer.stale_seconds == 90
        assert scene.outcomes == ["fetched", "revalidated", "stale"]

    async def test_what_is_not_held_is_the_failure(self, scene: Scene, feed: Feed) -> None:
        """A page that is not held is the upstream's own error, each time asked for, and never "not found"."""
        feed.down()
        source = scene.source(feed)
        for _ in range(2):
            with pytest.raises(Unreachable):
                await source.project(SIX)
            with pytest.raises(Unreachable):
                await source.locate(SIX, "six-1.whl")
        assert feed.calls["page"] == 4

    async def test_an_absence_does_not_outlive_its_minute_in_a_failure(
        self, scene: Scene, feed: Feed
    ) -> None:
        """Once an absence is forgotten, a failing upstream is a failure again."""
        source = scene.source(feed)
        with pytest.raises(ProjectNotFound):
            await source.project(SIX)
        feed.down()
        with pytest.raises(ProjectNotFound):
            await source.project(SIX)
        scene.clock.forward(60)
        with pytest.raises(Unreachable):
            await source.project(SIX)

    async def test_a_failing_upstream_is_left_alone_for_a_second(self, scene: Scene, feed: Feed) -> None:
        """After a failure no request for a held page asks for a second, whatever the page; then one does."""
        names = [ProjectName(f"p{n}") for n in range(10)]
        for name in names:
            feed.page(f"{name}-1.whl", project=name)
        source = scene.source(feed, max_age=0)
        for name in names:
            await source.project(name)
        feed.down()
        for name in names:
            assert (await source.project(name)).stale_seconds == 0
        assert feed.calls["page"] == 11
        scene.clock.forward(1)
        assert (await source.project(names[0])).stale_seconds == 1
        assert feed.calls["page"] == 12
        feed.up()
        scene.clock.forward(1)
        assert (await source.project(names[0])).stale_seconds is None
        assert (await source.project(names[1])).stale_seconds is None
        assert feed.calls["page"] == 14

    async def test_not_found_is_an_answer(self, scene: Scene, feed: Feed) -> None:
        """An upstream that failed and then says "not found" works again: held pages are asked for at once."""
        feed.page("six-1.whl")
        source = scene.source(feed, max_age=0)
        await source.project(SIX)
        feed.down()
        assert (await source.project(SIX)).stale_seconds == 0
        feed.up()
        with pytest.raises(ProjectNotFound):
            await source.project(ProjectName("other"))
        assert (await source.project(SIX)).stale_seconds is None

    @pytest.mark.parametrize(("asked", "left"), [(30, 30), (None, 1), (0, 1), (86_400, 60)])
    async def test_a_throttling_upstream_is_left_alone_as_it_asks(
        self, scene: Scene, feed: Feed, asked: int | None, left: int
    ) -> None:
        """An upstream that asks to be left alone is, for held pages, for at least a second and a minute at most."""
        feed.page("six-1.whl")
        source = scene.source(feed, max_age=0)
        await source.project(SIX)
        feed.failure = Throttled("feed", "429", retry_after=asked)
        await source.project(SIX)
        feed.up()
        scene.clock.forward(left - 0.5)
        assert (await source.project(SIX)).stale_seconds is not None
        scene.clock.forward(0.5)
        assert (await source.project(SIX)).stale_seconds is None
        assert feed.calls["page"] == 3

    async def test_an_upstream_that_hangs_does_not_hold_up_what_is_held(
        self, scene: Scene, feed: Feed
    ) -> None:
        """A held page is served when the upstream does not answer in time; the answer, when it comes, is kept."""
        names = [SIX, ProjectName("other"), ProjectName("third")]
        for name in names:
            feed.page("f-1.whl", project=name)
        source = scene.source(feed, patience=0.01)
        for name in names:
            await source.project(name)
        scene.clock.forward(60)
        feed.released.clear()
        feed.page("f-1.whl", "f-2.whl")
        assert (await source.project(SIX)).stale_seconds == 60
        assert (await source.project(names[1])).stale_seconds == 60
        assert feed.calls["page"] == 4
        feed.released.set()
        await settle()
        answer = await source.project(SIX)
        assert (answer.page, answer.stale_seconds) == (feed.pages[SIX], None)
        assert feed.calls["page"] == 4
        assert (await source.project(names[2])).stale_seconds is None

    async def test_a_broken_upstream_that_calls_the_unknown_unmodified(self, scene: Scene) -> None:
        """An upstream that answers "unmodified" to who holds nothing has failed; it is not an empty page."""

        class Odd(Feed):
            async def fetch_page(
                self, project: ProjectName, known: Validators | None = None
            ) -> FetchedPage | None:
                return None

        with pytest.raises(Unreachable):
            await scene.source(Odd("feed")).project(SIX)


class TestSnapshots:
    """What outlives the process."""

    async def test_served_after_a_restart_without_the_upstream(self, scene: Scene, feed: Feed) -> None:
        """A page once seen is served after a restart while the upstream is down, marked with its age."""
        page = feed.page("six-1.whl")
        await scene.source(feed).project(SIX)
        scene.clock.forward(86_400)
        feed.down()
        answer = await scene.source(feed).project(SIX)
        assert (answer.page, answer.stale_seconds) == (page, 86_400)

    async def test_revalidated_after_a_restart(self, scene: Scene, feed: Feed) -> None:
        """After a restart a page that is not fresh is asked for conditionally, and one that is fresh is not asked for."""
        page = feed.page("six-1.whl", etag='"1"')
        await scene.source(feed).project(SIX)
        scene.clock.forward(59)
        assert (await scene.source(feed).project(SIX)).page == page
        assert feed.calls["page"] == 1
        scene.clock.forward(1)
        assert (await scene.source(feed).project(SIX)).page == page
        assert feed.known == [None, Validators(etag='"1"')]
        assert scene.outcomes == ["fetched", "fresh", "revalidated"]
        assert scene.store.written == [PAGE_KEY]

    @pytest.mark.parametrize(
        "damage",
        [
            b"",
            b"{",
            b"[]",
            b"\xff",
            b'{"version":2,"value":{"name":"six"},"validators":{},"confirmed":0}',
            b'{"version":1,"value":{"name":"six","files":[{"filename":"\xff"}]}}',
        ],
    )
    async def test_a_damaged_snapshot_is_a_miss(self, scene: Scene, feed: Feed, damage: bytes) -> None:
        """A snapshot that cannot be understood, or is of another version, is replaced by what the upstream says."""
        page = feed.page("six-1.whl")
        await scene.store.put(PAGE_KEY, damage)
        feed.down()
        with pytest.raises(Unreachable):
            await scene.source(feed).project(SIX)
        feed.up()
        assert (await scene.source(feed).project(SIX)).page == page
        feed.down()
        scene.clock.forward(60)
        assert (await scene.source(feed).project(SIX)).page == page

    async def test_of_another_feed_are_not_used(self, scene: Scene, feed: Feed) -> None:
        """An upstream's name that is pointed elsewhere serves nothing of the feed it had before."""
        feed.page("six-1.whl")
        before = scene.source(feed, home="https://one.invalid/simple/")
        await before.project(SIX)
        await before.projects()
        feed.down()
        after = scene.source(feed, home="https://two.invalid/simple/")
        assert after.identity != before.identity
        with pytest.raises(Unreachable):
            await after.project(SIX)
        with pytest.raises(ProjectNotFound):
            await after.recall(SIX)
        assert (await after.recall_projects()).projects.names == ()

    async def test_a_full_disk_is_told_and_the_page_is_kept(self, scene: Scene, feed: Feed) -> None:
        """A snapshot that cannot be written is told; the page is served, and written when that works again."""
        page = feed.page("six-1.whl", etag='"1"')
        source = scene.source(feed)
        scene.store.full = True
        assert (await source.project(SIX)).page == page
        assert LearningFailed(source.name, "The disk is full.") in scene.events
        assert (await source.project(SIX)).page == page
        assert feed.calls["page"] == 1
        scene.store.full = False
        scene.clock.forward(60)
        await source.project(SIX)
        assert scene.store.written == [PAGE_KEY]

    async def test_memory_is_bounded_by_files(self, scene: Scene, feed: Feed) -> None:
        """Pages beyond the bound leave the memory and come back from their snapshots; one that is too large is kept alone."""
        for number in range(20):
            feed.page(*(f"p{number}-{n}.whl" for n in range(10)), project=f"p{number}")
        feed.page(*(f"six-{n}.whl" for n in range(200)))
        source = scene.source(feed, held_files=50)
        for number in range(20):
            await source.project(ProjectName(f"p{number}"))
        assert source._pages._memory.currsize <= 50
        await source.project(ProjectName("p0"))
        assert feed.calls["page"] == 20
        first = (await source.project(SIX)).page
        assert (await source.project(SIX)).page is first
        assert len(source._pages._memory) == 1

    async def test_recall_asks_nobody(self, scene: Scene, feed: Feed) -> None:
        """What is held is recalled with its age; what is not is not found; the upstream hears of neither."""
        page = feed.page("six-1.whl")
        await scene.source(feed).project(SIX)
        scene.clock.forward(1000)
        source = scene.source(feed)
        answer = await source.recall(SIX)
        assert (answer.page, answer.source, answer.stale_seconds) == (page, "feed", 1000)
        for _ in range(3):
            with pytest.raises(ProjectNotFound):
                await source.recall(ProjectName("other"))
        assert feed.calls["page"] == 1
        assert sum("other" in key for key in scene.store.read if "pages" in key) == 1


class TestLearned:
    """What the bytes of files taught."""

    FACTS = Learned(sha256=Sha256("1" * 64), size=7, metadata_sha256=Sha256("2" * 64))

    async def test_fills_what_the_upstream_did_not_say(self, scene: Scene, feed: Feed) -> None:
        """Digest, size and core metadata that were learned are on the page, and the page stays one object."""
        feed.page("six-1-py3-none-any.whl", "six-2-py3-none-any.whl")
        ledger = scene.ledger()
        source = scene.source(feed, ledger=ledger)
        before = (await source.project(SIX)).page
        assert (await source.project(SIX)).page is before
        await ledger.learn("feed", SIX, "six-1-py3-none-any.whl", self.FACTS)
        after = (await source.project(SIX)).page
        file = after.file("six-1-py3-none-any.whl")
        assert file is not None
        assert (file.sha256, file.size, file.core_metadata) == ("1" * 64, 7, {"sha256": "2" * 64})
        assert after.files[1] is before.files[1]
        assert (await source.project(SIX)).page is after
        assert (await source.locate(SIX, "six-1-py3-none-any.whl")).file is file
        assert (await source.recall(SIX)).page is after
        assert feed.calls["page"] == 1

    async def test_of_a_file_that_is_not_listed_changes_nothing(self, scene: Scene, feed: Feed) -> None:
        """What was learned of a file that is not on the page leaves the very same page."""
        feed.page("six-1.whl")
        ledger = scene.ledger()
        source = scene.source(feed, ledger=ledger)
        await ledger.learn("feed", SIX, "six-1.whl", self.FACTS)
        before = (await source.project(SIX)).page
        await ledger.learn("feed", SIX, "six-0.whl", self.FACTS)
        assert (await source.project(SIX)).page is before

    async def test_snapshots_are_the_upstreams_own_words(self, scene: Scene, feed: Feed) -> None:
        """What was learned is not written into snapshots, so that it never passes for what the upstream said."""
        feed.page("six-1.whl", etag='"1"')
        ledger = scene.ledger()
        source = scene.source(feed, ledger=ledger)
        await source.project(SIX)
        await ledger.learn("feed", SIX, "six-1.whl", self.FACTS)
        scene.clock.forward(60)
        await source.project(SIX)
        assert b"1" * 64 not in (await scene.store.get(PAGE_KEY))[0]


class TestLocate:
    """One file of a project."""

    async def test_finds_a_file(self, scene: Scene, feed: Feed) -> None:
        """A file on the page is found without another question."""
        feed.page("six-1.whl", "six-2.whl")
        source = scene.source(feed)
        ref = await source.locate(SIX, "six-2.whl")
        assert (ref.source, ref.project, ref.file, ref.reachable) == (
            "feed",
            SIX,
            feed.pages[SIX].files[1],
            True,
        )
        assert feed.calls["page"] == 1

    async def test_a_file_uploaded_a_moment_ago(self, scene: Scene, feed: Feed) -> None:
        """A file that is not on a fresh page is looked for once more at the upstream."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        await source.project(SIX)
        feed.page("six-1.whl", "six-2.whl")
        scene.clock.forward(5)
        assert (await source.locate(SIX, "six-2.whl")).file.filename == "six-2.whl"
        assert feed.calls["page"] == 2

    async def test_not_asked_for_more_than_once_in_five_seconds(self, scene: Scene, feed: Feed) -> None:
        """A name that is never there costs the upstream one question in five seconds, and none right after the page."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        for _ in range(5):
            with pytest.raises(FileNotFound):
                await source.locate(SIX, "six-9.whl")
            scene.clock.forward(1)
        assert feed.calls["page"] == 1
        for _ in range(5):
            with pytest.raises(FileNotFound):
                await source.locate(SIX, "six-9.whl")
            scene.clock.forward(0.5)
        assert feed.calls["page"] == 2

    async def test_a_page_that_is_held_proves_no_absence_while_the_upstream_fails(
        self, scene: Scene, feed: Feed
    ) -> None:
        """While the upstream is down a file on the held page is found, and one that is not on it is a failure, not "not found"."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        await source.project(SIX)
        feed.down()
        scene.clock.forward(60)
        assert (await source.locate(SIX, "six-1.whl")).file.filename == "six-1.whl"
        for _ in range(2):
            with pytest.raises(Unreachable):
                await source.locate(SIX, "six-9.whl")

    async def test_of_an_unknown_project(self, scene: Scene, feed: Feed) -> None:
        """An unknown project is not an unknown file."""
        with pytest.raises(ProjectNotFound):
            await scene.source(feed).locate(SIX, "six-1.whl")

    async def test_ten_thousand_files(self, scene: Scene, feed: Feed) -> None:
        """A page of 10,000 files is kept, found in, and served after a restart like a small one."""
        files = tuple(File(filename=f"six-{n}.whl", url=f"https://feed.invalid/{n}") for n in range(10_000))
        feed.pages[SIX] = ProjectPage(name=SIX, files=files)
        source = scene.source(feed, held_files=100_000)
        assert (await source.locate(SIX, "six-9999.whl")).file == files[-1]
        feed.down()
        assert (await scene.source(feed).locate(SIX, "six-9998.whl")).file == files[-2]


class TestLists:
    """The project list."""

    async def test_kept_like_a_page(self, scene: Scene, feed: Feed) -> None:
        """The list is asked for once in its age by all together, is one object, and is written when it changes."""
        feed.page("six-1.whl")
        source = scene.source(feed)
        listings = await asyncio.gather(*(source.projects() for _ in range(10)))
        assert all(listing.projects is listings[0].projects for listing in listings)
        assert feed.calls["list"] == 1
        scene.clock.forward(60)
        assert (await source.projects()).projects is listings[0].projects
        assert feed.calls["list"] == 2
        assert len(scene.store.written) == 1
        assert (await source.recall_projects()).projects is listings[0].projects

    async def test_served_after_a_restart_without_the_upstream(self, scene: Scene, feed: Feed) -> None:
        """A list once seen is served, marked, while the upstream is down; one never seen is the failure."""
        feed.page("six-1.whl")
        feed.down()
        with pytest.raises(Unreachable):
            await scene.source(feed).projects()
        feed.up()
        await scene.source(feed).projects()
        feed.down()
        scene.clock.forward(100)
        listing = await scene.source(feed).projects()
        assert (listing.projects.names, listing.stale_seconds) == ((SIX,), 100)
        recalled = await scene.source(feed).recall_projects()
        assert (recalled.projects.names, recalled.stale_seconds) == ((SIX,), 100)

    async def test_recall_of_nothing_is_empty(self, scene: Scene, feed: Feed) -> None:
        """Where no list was ever seen, none is recalled, and nobody is asked."""
        assert (await scene.source(feed).recall_projects()).projects.names == ()
        assert feed.calls["list"] == 0


async def test_a_failing_store_is_a_failure(scene: Scene, feed: Feed) -> None:
    """A store that cannot be read is never taken for "nothing held"."""

    async def broken(_key: str) -> object:
        raise StoreError("The disk is gone.")

    feed.page("six-1.whl")
    source = scene.source(feed)
    scene.store.get = broken  # type: ignore[method-assign,assignment]
    methods: tuple[Callable[[ProjectName], Awaitable[object]], ...] = (source.project, source.recall)
    for method in methods:
        with pytest.raises(StoreError):
            await method(SIX)
    assert feed.calls["page"] == 0
    assert scene.outcomes == ["failed"]
