"""What readiness says."""

import asyncio
from typing import Literal

import pytest

from mirror.errors import StoreError
from mirror.events import PageLooked, UpstreamCalled
from mirror.health import STORE_CHECK_SECONDS, Conditions, Health, Readiness
from mirror.ports import BlobInfo
from mirror.stores.memory import MemoryStore
from tests.clock import Clock

Outcome = Literal["ok", "unmodified", "not_found", "unreachable", "rejected", "throttled", "refused"]


class FragileStore(MemoryStore):
    """A store that can be made to fail at writing, or at everything, and which counts the checks."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: StoreError | None = None
        self.can_be_read = False
        self.checks = 0

    async def check(self) -> None:
        """Fail, when told to."""
        self.checks += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure

    async def stat(self, key: str) -> BlobInfo:
        """Fail, when told to and not to be read."""
        if self.failure is not None and not self.can_be_read:
            raise self.failure
        return await super().stat(key)


def called(upstream: str, outcome: Outcome, reason: str = "") -> UpstreamCalled:
    """Make the event of an exchange."""
    return UpstreamCalled(
        upstream=upstream, kind="page", outcome=outcome, seconds=0.1, received=0, reason=reason
    )


def test_all_is_well_at_first() -> None:
    """Upstreams that were never asked are not complained about."""
    assert Conditions(Clock()).health() == Health(ready=True)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("unreachable", "cannot be reached"),
        ("rejected", "does not accept its credentials"),
        ("throttled", "asks to be left alone"),
    ],
)
def test_a_failing_upstream_is_told(outcome: Outcome, words: str) -> None:
    """A failing upstream is a reason that names it, says since when, how often and why; the house stays ready."""
    clock = Clock()
    conditions = Conditions(clock)
    conditions(called("feed", outcome, "The first reason."))
    clock.forward(12)
    conditions(called("feed", outcome, "The last reason."))
    health = conditions.health()
    assert health.ready
    assert health.reasons == (f"The upstream feed {words}: 2 failed calls in 12 s. The last reason.",)


@pytest.mark.parametrize("outcome", ["ok", "unmodified", "not_found"])
def test_an_answer_ends_the_trouble(outcome: Outcome) -> None:
    """An upstream that answers again, also with "not found", is well again, and counting starts anew."""
    clock = Clock()
    conditions = Conditions(clock)
    conditions(called("feed", "unreachable"))
    conditions(called("other", "rejected"))
    conditions(called("feed", outcome))
    assert [reason.split(":")[0] for reason in conditions.reasons()] == [
        "The upstream other does not accept its credentials"
    ]
    clock.forward(100)
    conditions(called("feed", "unreachable"))
    assert "1 failed call in 0 s" in conditions.reasons()[0]


def test_what_says_nothing_about_an_upstream() -> None:
    """A call that wheelkeep refused neither makes nor ends a trouble, and other events pass by."""
    conditions = Conditions(Clock())
    conditions(called("feed", "refused"))
    conditions(PageLooked("feed", "failed"))
    assert conditions.reasons() == ()
    conditions(called("feed", "unreachable"))
    conditions(called("feed", "refused"))
    assert len(conditions.reasons()) == 1


async def test_a_store_that_fails_is_not_ready() -> None:
    """Without its store the house is not ready and says why, upstreams included, and it is ready again afterwards."""
    clock, store = Clock(), FragileStore()
    conditions = Conditions(clock)
    conditions(called("feed", "unreachable"))
    readiness = Readiness(conditions, store, clock)
    store.failure = StoreError("The disk is full.")
    health = await readiness()
    assert not health.ready
    assert health.reasons == ("The disk is full.", *conditions.reasons())
    store.failure = None
    clock.forward(STORE_CHECK_SECONDS)
    assert await readiness() == conditions.health()


async def test_a_store_that_cannot_be_written_is_ready_and_says_so() -> None:
    """A store that is full and can be read degrades: what is held is served, and no balancer may keep clients from it."""
    clock, store = Clock(), FragileStore()
    store.failure, store.can_be_read = StoreError("The disk is full."), True
    assert await Readiness(Conditions(clock), store, clock)() == Health(
        ready=True, reasons=("The disk is full.",)
    )


async def test_the_store_is_probed_seldom() -> None:
    """However many ask, the store is probed once in its time, also when the clock is set back."""
    clock, store = Clock(), FragileStore()
    readiness = Readiness(Conditions(clock), store, clock)
    await asyncio.gather(*(readiness() for _ in range(20)))
    assert store.checks == 1
    clock.forward(STORE_CHECK_SECONDS)
    await readiness()
    assert store.checks == 2
    clock.forward(-1000)
    await readiness()
    assert store.checks == 3


async def test_a_store_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer its probe is a reason, not a readiness that hangs, and it is probed once at a time."""

    class HangingStore(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.probes = 0
            self.released = asyncio.Event()

        async def check(self) -> None:
            self.probes += 1
            try:
                await self.released.wait()
            finally:
                # A disk that hangs holds up whoever cleans up as well.
                await self.released.wait()

    monkeypatch.setattr("mirror.health.STORE_PATIENCE_SECONDS", 0.01)
    clock, store = Clock(), HangingStore()
    readiness = Readiness(Conditions(clock), store, clock)
    for _ in range(2):
        health = await readiness()
        assert not health.ready
        assert "did not answer" in health.reasons[0]
        clock.forward(STORE_CHECK_SECONDS)
    assert store.probes == 1
    store.released.set()
    monkeypatch.undo()
    assert (await readiness()).ready
