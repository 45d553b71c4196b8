"""Any history of sources that come, go, fail and change, and of restarts: nobody is ever given another owner's project."""

import asyncio
from collections import defaultdict

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mirror import layout
from mirror.catalog import CatalogIndex
from mirror.errors import FileNotFound, ProjectNotFound, Unreachable
from mirror.indexes import FirstMatch, Mode
from mirror.model import Answer, ProjectPage
from mirror.names import ProjectName
from mirror.ports import Source
from tests.mirror.indexes.scene import Feed, Scene

ORDER = ("first", "private", "second", "third")
NAMES = tuple(ProjectName(name) for name in ("a", "b"))

names = st.sampled_from(NAMES)
remotes = st.sampled_from(("first", "second", "third"))
modes: st.SearchStrategy[Mode] = st.sampled_from(("online", "fallback", "offline"))


class Sources(RuleBasedStateMachine):
    """An index over a feed, a catalogue and two more feeds, with what was seen of it so far.

    A minute passes before each question, so that nothing is answered because it is fresh.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.scene = Scene()
        self.feeds = {name: Feed(name) for name in ORDER if name != "private"}
        self.published: dict[ProjectName, ProjectPage] = {}
        self.owner: dict[ProjectName, int] = {}
        """The first position that ever answered for a name."""
        self.proven: set[ProjectName] = set()
        """Names that were answered online: from then on something is always there to be served."""
        self.said: dict[tuple[str, ProjectName], list[ProjectPage]] = defaultdict(list)
        """All that the feeds ever had."""
        self.seen: set[tuple[str, ProjectName]] = set()
        """Which of them ever answered for what."""
        self.indexes: dict[Mode, FirstMatch] = {}
        self.restart()

    @rule()
    def restart(self) -> None:
        """Forget everything but the store."""
        sources: list[Source] = [
            CatalogIndex("private", self.scene.store, self.scene.clock)
            if name == "private"
            else self.scene.source(self.feeds[name])
            for name in ORDER
        ]
        every: tuple[Mode, ...] = ("online", "fallback", "offline")
        self.indexes = {mode: self.scene.index(*sources, mode=mode) for mode in every}

    @rule(remote=remotes, name=names, version=st.integers(1, 3))
    def know(self, remote: str, name: ProjectName, version: int) -> None:
        """A feed begins to have a project, or changes it."""
        page = self.feeds[remote].page(f"{name}-{version}-{remote}.whl", project=name)
        self.said[remote, name].append(page)

    @rule(remote=remotes, name=names)
    def unknow(self, remote: str, name: ProjectName) -> None:
        """A feed has a project no longer."""
        self.feeds[remote].pages.pop(name, None)

    @rule(remote=remotes)
    def fail(self, remote: str) -> None:
        """A feed goes down."""
        self.feeds[remote].down()

    @rule(remote=remotes)
    def recover(self, remote: str) -> None:
        """A feed comes back."""
        self.feeds[remote].up()

    @rule(name=names)
    def publish(self, name: ProjectName) -> None:
        """A project is published."""
        page = self.published[name] = ProjectPage(name=name)
        key = layout.catalog_record("private", name)
        self.runner.run(self.scene.store.put(key, msgspec.json.encode(page)))

    @rule(name=names, mode=modes)
    def ask(self, name: ProjectName, mode: Mode) -> None:
        """Somebody asks for a project."""
        self.scene.clock.forward(61)
        before = self.calls()
        try:
            answer = self.runner.run(self.indexes[mode].project(name))
        except ProjectNotFound:
            assert name not in self.proven or mode == "online"
            assert mode == "offline" or self.may_be_absent(name)
        except Unreachable:
            assert mode != "offline"
            assert name not in self.proven
            assert any(feed.failure for feed in self.feeds.values())
        else:
            self.check(name, mode, answer)
        assert mode != "offline" or self.calls() == before

    @rule(name=names, mode=modes)
    def locate(self, name: ProjectName, mode: Mode) -> None:
        """Somebody asks for a file that is nowhere: it is never found, and a failure is not "not found"."""
        self.scene.clock.forward(61)
        try:
            self.runner.run(self.indexes[mode].locate(name, "nowhere.whl"))
        except ProjectNotFound:
            assert mode != "online" or self.may_be_absent(name)
        except FileNotFound:
            assert mode != "online" or self.may_be_known(name)
        except Unreachable:
            assert mode != "offline"
            assert any(feed.failure for feed in self.feeds.values())
        else:
            raise AssertionError("found")
        self.learn(name, mode)

    @rule(name=names)
    def outage(self, name: ProjectName) -> None:
        """Everything goes down: what was ever answered online is answered still, by its owner."""
        failures = {remote: feed.failure for remote, feed in self.feeds.items()}
        for feed in self.feeds.values():
            feed.down()
        self.scene.clock.forward(61)
        if name in self.proven:
            every: tuple[Mode, ...] = ("online", "fallback", "offline")
            for mode in every:
                self.check(name, mode, self.runner.run(self.indexes[mode].project(name)))
        for remote, failure in failures.items():
            self.feeds[remote].failure = failure

    @invariant()
    def nothing_is_left_running(self) -> None:
        """No task outlives its question."""
        assert not asyncio.all_tasks(self.runner.get_loop())

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()

    def calls(self) -> int:
        """Count what was asked of all feeds."""
        return sum(feed.calls.total() for feed in self.feeds.values())

    def check(self, name: ProjectName, mode: Mode, answer: Answer) -> None:
        """See that an answer is its owner's, and what the owner says or last said."""
        position = ORDER.index(answer.source)
        assert position <= self.owner.get(name, position)
        self.owner[name] = position
        if mode == "online":
            self.proven.add(name)
        if answer.source == "private":
            assert answer.page == self.published[name]
            assert answer.stale_seconds is None
            return
        feed = self.feeds[answer.source]
        if answer.stale_seconds is None:
            assert mode != "offline"
            assert feed.failure is None
            assert answer.page == feed.pages[name]
            assert mode != "online" or not any(
                self.feeds[r].failure for r in ORDER[:position] if r in self.feeds
            )
        else:
            assert answer.page in self.said[answer.source, name]
        self.seen.add((answer.source, name))

    def may_be_absent(self, name: ProjectName) -> bool:
        """Tell whether "not found" is the truth: nobody has the project, or the one whose it was has it no longer."""
        for source in ORDER:
            if source == "private":
                if name in self.published:
                    return False
                continue
            feed = self.feeds[source]
            if feed.failure is not None or name in feed.pages:
                return False
            if (source, name) in self.seen:
                return True
        return True

    def may_be_known(self, name: ProjectName) -> bool:
        """Tell whether a source that answers has the project: only it can say that a file is not there."""
        for source in ORDER:
            if source == "private":
                if name in self.published:
                    return True
                continue
            feed = self.feeds[source]
            if feed.failure is not None:
                return name in self.proven and name in self.published
            if name in feed.pages:
                return True
        return False

    def learn(self, name: ProjectName, mode: Mode) -> None:
        """Take note of what a search for a file brought into the store: the owner's page, asked for like any other."""
        try:
            answer = self.runner.run(self.indexes[mode].project(name))
        except (ProjectNotFound, Unreachable):
            return
        self.check(name, mode, answer)


def test_any_history() -> None:
    """A name ever answered by one source is never answered by a later one; a failure is never "not found"; offline asks nobody; what was once answered is answered in any outage."""
    run_state_machine_as_test(Sources, settings=settings(max_examples=150, stateful_step_count=30))
