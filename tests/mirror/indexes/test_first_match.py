"""An index over ordered sources: one answers, alone, and what is held is served when its owner is beyond doubt."""

import asyncio

import msgspec
import pytest

from mirror import layout
from mirror.catalog import CatalogIndex
from mirror.errors import (
    FileNotFound,
    ProjectNotFound,
    Rejected,
    StoreError,
    Throttled,
    Unreachable,
    UpstreamError,
)
from mirror.events import LearningFailed, PageLooked
from mirror.indexes import FirstMatch, Mode
from mirror.model import File, ProjectPage
from mirror.names import ProjectName
from tests.mirror.indexes.scene import SIX, Feed, Scene

ROUTE_KEY = layout.route("default", SIX)


class Feeds:
    """Two feeds behind `private`, with which an index can be made again and again, as restarts do."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.first = Feed("first")
        self.second = Feed("second")

    def private(self) -> CatalogIndex:
        """Make the local source."""
        return CatalogIndex("private", self.scene.store, self.scene.clock, recheck_seconds=0)

    def index(self, mode: Mode = "online", *, home: str | None = None) -> FirstMatch:
        """Make an index of private, first, second, as after a restart."""
        return self.scene.index(
            self.private(),
            self.scene.source(self.first, home=home),
            self.scene.source(self.second),
            mode=mode,
        )

    async def publish(self, *filenames: str) -> ProjectPage:
        """Write a record of `six` into the catalogue."""
        files = tuple(File(filename=each, url="", hashes={"sha256": "0" * 64}) for each in filenames)
        page = ProjectPage(name=SIX, files=files)
        await self.scene.store.put(layout.catalog_record("private", SIX), msgspec.json.encode(page))
        return page

    @property
    def calls(self) -> tuple[int, int]:
        """Give how often each feed was asked for a page."""
        return self.first.calls["page"], self.second.calls["page"]

    def down(self) -> None:
        """Let both fail."""
        self.first.down()
        self.second.down()


@pytest.fixture
def feeds(scene: Scene) -> Feeds:
    """Give two feeds that know nothing."""
    return Feeds(scene)


class TestOwnership:
    """Whose project it is."""

    async def test_a_local_owner_answers_alone(self, feeds: Feeds) -> None:
        """A name of the first source is not asked for at any later one, with its files or without."""
        feeds.first.page("six-9.whl")
        index = feeds.index()
        for filenames in (("six-1.whl",), ()):
            page = await feeds.publish(*filenames)
            answer = await index.project(SIX)
            assert (answer.page, answer.source) == (page, "private")
        with pytest.raises(FileNotFound):
            await index.locate(SIX, "six-9.whl")
        assert feeds.calls == (0, 0)

    async def test_a_remote_owner_answers_alone(self, feeds: Feeds) -> None:
        """A name of an earlier feed is not asked for at a later one, which may have better versions of it."""
        feeds.first.page("six-1.whl")
        feeds.second.page("six-999.whl")
        index = feeds.index()
        assert (await index.project(SIX)).source == "first"
        feeds.scene.clock.forward(60)
        with pytest.raises(FileNotFound):
            await index.locate(SIX, "six-999.whl")
        assert feeds.second.calls["page"] == 0

    async def test_the_next_answers_for_what_is_unknown(self, feeds: Feeds) -> None:
        """A name that the earlier ones do not know is the next one's."""
        page = feeds.second.page("six-1.whl")
        answer = await feeds.index().project(SIX)
        assert (answer.page, answer.source, answer.stale_seconds) == (page, "second", None)
        ref = await feeds.index().locate(SIX, "six-1.whl")
        assert (ref.source, ref.file, ref.reachable) == ("second", page.files[0], True)
        assert feeds.calls == (2, 1)

    async def test_nobody_knows_it(self, feeds: Feeds) -> None:
        """A name that every source denies is not found."""
        with pytest.raises(ProjectNotFound):
            await feeds.index().project(SIX)
        with pytest.raises(ProjectNotFound):
            await feeds.index().locate(SIX, "six-1.whl")
        assert feeds.calls == (2, 2)

    async def test_a_new_earlier_owner_takes_over(self, feeds: Feeds) -> None:
        """When an earlier source begins to have a project, it answers from then on."""
        feeds.second.page("six-1.whl")
        index = feeds.index()
        await index.project(SIX)
        feeds.first.page("six-2.whl")
        feeds.scene.clock.forward(60)
        assert (await index.project(SIX)).source == "first"
        page = await feeds.publish("six-3.whl")
        assert (await index.project(SIX)).page == page

    async def test_a_name_stays_with_who_had_it(self, feeds: Feeds) -> None:
        """A project that vanishes from its feed is not found; a later feed's namesake does not take its place, restart or not."""
        feeds.first.page("six-1.whl")
        feeds.second.page("six-999.whl")
        index = feeds.index()
        await index.project(SIX)
        del feeds.first.pages[SIX]
        feeds.scene.clock.forward(60)
        for restarted in (index, index, feeds.index()):
            with pytest.raises(ProjectNotFound, match="first had a project six"):
                await restarted.project(SIX)
        assert feeds.second.calls["page"] == 0

    async def test_a_feed_elsewhere_owns_nothing_of_the_old_one(self, feeds: Feeds) -> None:
        """When the first feed's name is pointed elsewhere, what the old feed had is free."""
        feeds.first.page("six-1.whl")
        feeds.second.page("six-2.whl")
        await feeds.index().project(SIX)
        del feeds.first.pages[SIX]
        feeds.scene.clock.forward(60)
        index = feeds.index(home="https://elsewhere.invalid/simple/")
        assert (await index.project(SIX)).source == "second"


class TestFailure:
    """What a source that fails means."""

    @pytest.mark.parametrize(
        "failure", [Unreachable("first", "down"), Rejected("first", "401"), Throttled("first", "429")]
    )
    async def test_is_neither_absence_nor_a_reason_to_go_on(
        self, feeds: Feeds, failure: UpstreamError
    ) -> None:
        """While an earlier source fails, a name that nobody is known to own is that failure; no later source is asked."""
        feeds.second.page("six-1.whl")
        feeds.first.failure = failure
        index = feeds.index()
        with pytest.raises(type(failure)):
            await index.project(SIX)
        with pytest.raises(type(failure)):
            await index.locate(SIX, "six-1.whl")
        assert feeds.second.calls["page"] == 0

    async def test_of_a_later_source_does_not_matter_to_an_owner(self, feeds: Feeds) -> None:
        """A source behind the owner may fail."""
        feeds.first.page("six-1.whl")
        feeds.second.down()
        assert (await feeds.index().project(SIX)).source == "first"

    async def test_of_the_last_source_is_not_absence(self, feeds: Feeds) -> None:
        """A name that the others deny is not "not found" while the last one fails."""
        feeds.second.down()
        with pytest.raises(Unreachable):
            await feeds.index().project(SIX)

    async def test_of_the_store_is_a_failure(self, feeds: Feeds) -> None:
        """A local source whose record is damaged answers for its name with a failure, and nobody else is asked."""
        feeds.first.page("six-1.whl")
        await feeds.scene.store.put(layout.catalog_record("private", SIX), b"{")
        with pytest.raises(StoreError):
            await feeds.index().project(SIX)
        assert feeds.calls == (0, 0)


class TestRoutes:
    """What is served while a source before the owner fails."""

    async def test_a_page_once_seen_is_served(self, feeds: Feeds) -> None:
        """A later source's page is served, marked, while the first one, which had said no, fails; nobody else is asked."""
        feeds.second.add("six", "six-1.whl", b"six")
        page = feeds.second.pages[SIX]
        index = feeds.index()
        await index.project(SIX)
        feeds.scene.clock.forward(100)
        feeds.down()
        for restarted in (index, feeds.index()):
            answer = await restarted.project(SIX)
            assert (answer.page, answer.source, answer.stale_seconds) == (page, "second", 100)
            assert (await restarted.locate(SIX, "six-1.whl")).source == "second"
        assert feeds.second.calls["page"] == 1
        assert PageLooked("second", "stale") in feeds.scene.events

    async def test_a_later_source_that_is_up_is_not_asked(self, feeds: Feeds) -> None:
        """While the first source fails, the owner's held page is served as it is, and a file it lacks is the failure."""
        feeds.second.page("six-1.whl")
        await feeds.index().project(SIX)
        feeds.second.page("six-1.whl", "six-2.whl")
        feeds.scene.clock.forward(100)
        feeds.first.down()
        index = feeds.index()
        assert len((await index.project(SIX)).page.files) == 1
        with pytest.raises(Unreachable):
            await index.locate(SIX, "six-2.whl")
        assert feeds.second.calls["page"] == 1

    async def test_of_the_owner_only_known_bytes_are_fetched(self, feeds: Feeds) -> None:
        """While the first source fails, a file of the owner's held page is in reach by its digest; one without is the failure."""
        feeds.second.add("six", "six-1.whl", b"known")
        feeds.second.add("six", "six-2.whl", b"unknown", listed_hash=False)
        await feeds.index().project(SIX)
        feeds.scene.clock.forward(100)
        feeds.first.down()
        index = feeds.index()
        assert (await index.locate(SIX, "six-1.whl")).reachable
        with pytest.raises(Unreachable, match="first"):
            await index.locate(SIX, "six-2.whl")

    async def test_written_once(self, feeds: Feeds) -> None:
        """A route is written once, however many ask, and not again after a restart."""
        feeds.second.page("six-1.whl")
        index = feeds.index()
        await asyncio.gather(*(index.project(SIX) for _ in range(20)))
        await feeds.index().project(SIX)
        assert feeds.scene.store.written.count(ROUTE_KEY) == 1

    async def test_none_for_the_first_remote_source(self, feeds: Feeds) -> None:
        """What the first remote source owns needs no route, and none is written."""
        feeds.first.page("six-1.whl")
        await feeds.index().project(SIX)
        assert ROUTE_KEY not in feeds.scene.store.written

    async def test_a_page_without_a_route_is_not_served(self, feeds: Feeds) -> None:
        """A page that a later source gave elsewhere proves nothing about the earlier one."""
        feeds.second.page("six-1.whl")
        await feeds.scene.source(feeds.second).project(SIX)
        feeds.first.down()
        with pytest.raises(Unreachable):
            await feeds.index().project(SIX)

    async def test_a_route_without_a_page_serves_nothing(self, feeds: Feeds) -> None:
        """A route to a page that is no longer held leaves the failure."""
        feeds.second.page("six-1.whl")
        await feeds.index().project(SIX)
        for key in [info.key async for info in feeds.scene.store.list("v1/snapshots/second/")]:
            await feeds.scene.store.delete(key)
        feeds.down()
        with pytest.raises(Unreachable):
            await feeds.index().project(SIX)

    @pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"owner":"\xff"}'])
    async def test_a_damaged_route_proves_nothing(self, feeds: Feeds, damage: bytes) -> None:
        """A route that cannot be read leaves the failure, and is written anew when the sources answer."""
        page = feeds.second.page("six-1.whl")
        await feeds.index().project(SIX)
        await feeds.scene.store.put(ROUTE_KEY, damage)
        feeds.down()
        with pytest.raises(Unreachable):
            await feeds.index().project(SIX)
        feeds.first.up()
        await feeds.index().project(SIX)
        feeds.first.down()
        assert (await feeds.index().project(SIX)).page == page

    async def test_a_source_that_is_new_has_said_nothing(self, feeds: Feeds) -> None:
        """When a source is put before the owner, or pointed elsewhere, the route no longer covers all before it."""
        feeds.second.page("six-1.whl")
        await feeds.index().project(SIX)
        new = Feed("new")
        feeds.down()
        with pytest.raises(Unreachable):
            await feeds.index(home="https://elsewhere.invalid/simple/").project(SIX)
        new.down()
        scene = feeds.scene
        index = scene.index(scene.source(feeds.first), scene.source(new), scene.source(feeds.second))
        with pytest.raises(Unreachable):
            await index.project(SIX)
        fewer = scene.index(scene.source(feeds.second))
        assert (await fewer.project(SIX)).source == "second"

    async def test_a_local_source_in_between_takes_the_name(self, feeds: Feeds) -> None:
        """What is published meanwhile, by a source before the owner, is not passed over for the owner's held page."""
        feeds.second.page("six-1.whl")
        scene = feeds.scene

        def index() -> FirstMatch:
            return scene.index(scene.source(feeds.first), feeds.private(), scene.source(feeds.second))

        await index().project(SIX)
        await feeds.publish("six-7.whl")
        feeds.down()
        assert (await index().project(SIX)).source == "private"
        await feeds.scene.store.delete(ROUTE_KEY)
        with pytest.raises(Unreachable):
            await index().project(SIX)

    async def test_a_full_store_is_told(self, feeds: Feeds) -> None:
        """An answer whose route cannot be written is given and the failure told; it is written once the store takes it."""
        feeds.second.page("six-1.whl")
        index = feeds.index()
        feeds.scene.store.full = True
        assert (await index.project(SIX)).source == "second"
        assert LearningFailed("second", "The disk is full.") in feeds.scene.events
        feeds.scene.store.full = False
        await index.project(SIX)
        assert ROUTE_KEY in feeds.scene.store.written


class TestOffline:
    """Nobody outside is asked, ever."""

    async def test_serves_what_was_seen(self, feeds: Feeds) -> None:
        """What was seen online is served offline, marked, each file told to be out of reach; no upstream hears of it."""
        first = feeds.first.page("six-1.whl")
        second = feeds.second.page("seven-1.whl", project="seven")
        online = feeds.index()
        for name in (SIX, ProjectName("seven")):
            await online.project(name)
        calls = feeds.calls
        feeds.scene.clock.forward(1_000_000)
        index = feeds.index("offline")
        answer = await index.project(SIX)
        assert (answer.page, answer.source, answer.stale_seconds) == (first, "first", 1_000_000)
        assert (await index.project(ProjectName("seven"))).page == second
        ref = await index.locate(ProjectName("seven"), "seven-1.whl")
        assert (ref.source, ref.file, ref.reachable) == ("second", second.files[0], False)
        with pytest.raises(FileNotFound):
            await index.locate(SIX, "six-9.whl")
        with pytest.raises(ProjectNotFound, match="offline"):
            await index.project(ProjectName("eight"))
        assert feeds.calls == calls
        assert PageLooked("first", "stale") in feeds.scene.events

    async def test_without_a_route_a_later_page_may_be_anothers(self, feeds: Feeds) -> None:
        """What a later remote source is known to have is not served where an earlier one was never asked."""
        feeds.second.page("six-1.whl")
        await feeds.scene.source(feeds.second).project(SIX)
        with pytest.raises(ProjectNotFound):
            await feeds.index("offline").project(SIX)

    async def test_local_sources_are_live(self, feeds: Feeds) -> None:
        """What is published is served offline at once, wherever the local source stands."""
        page = await feeds.publish("six-1.whl")
        scene = feeds.scene
        for index in (
            feeds.index("offline"),
            scene.index(scene.source(feeds.first), feeds.private(), mode="offline"),
        ):
            answer = await index.project(SIX)
            assert (answer.page, answer.source, answer.stale_seconds) == (page, "private", None)
        assert feeds.calls == (0, 0)

    async def test_lists_what_is_known(self, feeds: Feeds) -> None:
        """The list is what was last listed, and nothing when nothing was; no upstream hears of it."""
        assert (await feeds.index("offline").projects()).projects.names == ()
        feeds.first.page("six-1.whl")
        await feeds.index().projects()
        calls = feeds.first.calls["list"]
        assert (await feeds.index("offline").projects()).projects.names == (SIX,)
        assert feeds.first.calls["list"] == calls


class TestFallback:
    """What is held answers; what is not is asked for."""

    async def test_what_is_held_is_not_asked_for(self, feeds: Feeds) -> None:
        """A held page answers however old, its owner's or a later source's with a route."""
        feeds.first.page("six-1.whl")
        feeds.second.page("seven-1.whl", project="seven")
        online = feeds.index()
        for name in (SIX, ProjectName("seven")):
            await online.project(name)
        calls = feeds.calls
        feeds.scene.clock.forward(1_000_000)
        index = feeds.index("fallback")
        assert (await index.project(SIX)).stale_seconds == 1_000_000
        assert (await index.project(ProjectName("seven"))).source == "second"
        assert (await index.locate(SIX, "six-1.whl")).reachable
        assert feeds.calls == calls

    async def test_what_is_not_held_is_asked_for(self, feeds: Feeds) -> None:
        """What is not held is asked for in order, by the rules of `online`, and is held from then on."""
        page = feeds.second.page("six-1.whl")
        index = feeds.index("fallback")
        assert (await index.project(SIX)).page == page
        assert feeds.calls == (1, 1)
        feeds.scene.clock.forward(1000)
        assert (await index.project(SIX)).page == page
        assert feeds.calls == (1, 1)
        feeds.first.down()
        with pytest.raises(Unreachable):
            await index.project(ProjectName("other"))

    async def test_a_later_page_without_a_route_is_asked_for(self, feeds: Feeds) -> None:
        """A later source's held page does not answer where an earlier one was never asked: it is asked now."""
        feeds.second.page("six-1.whl")
        await feeds.scene.source(feeds.second).project(SIX)
        feeds.first.page("six-2.whl")
        assert (await feeds.index("fallback").project(SIX)).source == "first"

    async def test_a_file_that_is_not_on_the_held_page_is_asked_for(self, feeds: Feeds) -> None:
        """A file that was uploaded after the page was held is found by asking its owner, and nobody else."""
        feeds.first.page("six-1.whl")
        index = feeds.index("fallback")
        await index.project(SIX)
        feeds.first.page("six-1.whl", "six-2.whl")
        feeds.scene.clock.forward(1000)
        assert (await index.locate(SIX, "six-2.whl")).file.filename == "six-2.whl"
        assert feeds.calls == (2, 0)

    @pytest.mark.parametrize("filename", ["six-2.whl", "six-1.whl"])
    async def test_a_route_leads_to_no_question_out_of_order(self, feeds: Feeds, filename: str) -> None:
        """What a page held by a route does not have, or gives no digest for, is asked for in order: who has the name now answers."""
        feeds.second.page("six-1.whl")
        await feeds.index("fallback").project(SIX)
        feeds.second.page("six-1.whl", "six-2.whl")
        own = feeds.first.page("six-1.whl", "six-2.whl")
        feeds.scene.clock.forward(1000)
        index = feeds.index("fallback")
        assert (await index.project(SIX)).source == "second"
        ref = await index.locate(SIX, filename)
        assert (ref.source, ref.file) == ("first", own.file(filename))
        assert feeds.second.calls["page"] == 1

    async def test_a_route_does_not_go_past_a_source_that_fails(self, feeds: Feeds) -> None:
        """A file that is not on a page held by a route is the failure while an earlier source fails; its owner is not asked."""
        feeds.second.page("six-1.whl")
        await feeds.index("fallback").project(SIX)
        feeds.scene.clock.forward(1000)
        feeds.first.down()
        with pytest.raises(Unreachable, match="first"):
            await feeds.index("fallback").locate(SIX, "six-2.whl")
        assert feeds.second.calls["page"] == 1

    async def test_lists(self, feeds: Feeds) -> None:
        """A held list answers; one that is not held is asked for."""
        feeds.first.page("six-1.whl")
        feeds.second.page("seven-1.whl", project="seven")
        index = feeds.index("fallback")
        for _ in range(2):
            assert (await index.projects()).projects.names == ("seven", "six")
            feeds.scene.clock.forward(1000)
        assert (feeds.first.calls["list"], feeds.second.calls["list"]) == (1, 1)


class TestLocate:
    """One file of an owner."""

    async def test_a_file_uploaded_a_moment_ago(self, feeds: Feeds) -> None:
        """A file that is not on the owner's page is looked for once more at the owner, and at nobody else."""
        feeds.first.page("six-1.whl")
        index = feeds.index()
        await index.project(SIX)
        feeds.first.page("six-1.whl", "six-2.whl")
        feeds.scene.clock.forward(5)
        assert (await index.locate(SIX, "six-2.whl")).file.filename == "six-2.whl"
        for _ in range(3):
            with pytest.raises(FileNotFound):
                await index.locate(SIX, "six-9.whl")
        assert feeds.calls == (2, 0)

    async def test_finds_without_asking(self, feeds: Feeds) -> None:
        """Files on a page that is fresh are found without a question, on a page of 10,000 too."""
        files = tuple(File(filename=f"six-{n}.whl", url=f"https://first.invalid/{n}") for n in range(10_000))
        feeds.first.pages[SIX] = ProjectPage(name=SIX, files=files)
        index = feeds.index()
        for n in (0, 5_000, 9_999):
            assert (await index.locate(SIX, f"six-{n}.whl")).file == files[n]
        assert feeds.calls == (1, 0)


class TestLists:
    """The union of all sources."""

    async def test_sorted_and_unique(self, feeds: Feeds) -> None:
        """The list has every name of every source once, in order, and is the same object until one changes."""
        await feeds.publish("six-1.whl")
        for project in ("six", "b", "z"):
            feeds.first.page(project=project)
        for project in ("six", "a", "b"):
            feeds.second.page(project=project)
        index = feeds.index()
        listing = await index.projects()
        assert listing.projects.names == ("a", "b", "six", "z")
        assert listing.stale_seconds is None
        assert (await index.projects()).projects is listing.projects
        feeds.second.page(project="c")
        feeds.scene.clock.forward(60)
        assert (await index.projects()).projects.names == ("a", "b", "c", "six", "z")

    async def test_a_failing_source_without_a_held_list_is_a_failure(self, feeds: Feeds) -> None:
        """A list is never shorter because a source fails: it is the failure, or what was last listed, marked."""
        feeds.first.page("six-1.whl")
        feeds.second.page("seven-1.whl", project="seven")
        feeds.second.down()
        with pytest.raises(Unreachable):
            await feeds.index().projects()
        feeds.second.up()
        await feeds.index().projects()
        feeds.second.down()
        feeds.scene.clock.forward(70)
        listing = await feeds.index().projects()
        assert (listing.projects.names, listing.stale_seconds) == (("seven", "six"), 70)

    async def test_of_one_source_is_that_sources_own(self, feeds: Feeds) -> None:
        """Where only one source lists anything, its list is given as it is, without a copy of all names."""
        feeds.first.page("six-1.whl")
        source = feeds.scene.source(feeds.first)
        index = feeds.scene.index(feeds.private(), source)
        assert (await index.projects()).projects is (await source.projects()).projects

    async def test_large(self, feeds: Feeds) -> None:
        """Lists of many thousand names are merged all the same."""
        for n in range(4_000):
            feeds.first.page(project=f"a{n}")
            feeds.second.page(project=f"b{n}")
        names = (await feeds.index().projects()).projects.names
        assert len(names) == 8_000
        assert list(names) == sorted(names)
