"""What an upstream says, kept: in memory, in snapshots, asked again when it is old, served as it is when it cannot be.

- One question at a time for each thing, however many want to know. The task is not theirs: who leaves stops nothing.
- What has aged, but not by much, is served at once, and asked for behind the back of who wanted it.
- An error is told to all who wait and is never remembered. "Not found" is remembered for at most 60 s, in memory.
- While an upstream fails, what is held is served, marked as stale. Two rules keep that fast: who can be given something
  held waits `patience_seconds` for the upstream at most (the question goes on without them), and after a failure, or
  that wait, the upstream is not asked about anything held for `backoff_seconds`, or as long as it asked to be left alone.
  What is older than `stale_if_error_seconds` is not served in the place of an upstream that fails: it counts as not held.
- An answer that says the same leaves the same object, and writes nothing. Nobody waits for a snapshot to be written.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from cachetools import LRUCache

from mirror.errors import ProjectNotFound, StoreError, Throttled, Unreachable, UpstreamError
from mirror.indexes.snapshots import Snapshot, Snapshots
from mirror.once import Once
from mirror.ports import Clock, Validators

V = TypeVar("V")

Ask = Callable[[str, Validators | None], Awaitable[tuple[V, Validators] | None]]
"""Asks the upstream about a thing; None when it is unmodified."""

LONGEST_ABSENT_SECONDS = 60.0
"""A project that was just uploaded must not stay unknown for longer."""
LONGEST_THROTTLE_SECONDS = 60.0
"""An upstream may ask to be left alone for longer; what is held is revalidated after this all the same."""
ABSENT_NAMES = 20_000
"""Names remembered as unknown: anybody can make names up."""
MOST_UNWRITTEN = 32
"""Snapshots being written behind the back of those who were answered; with more, an answer waits for its own."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things are believed, in seconds.

    Attributes:
        max_age_seconds: since the upstream last confirmed it, a thing is served without a question; 0 always asks.
        stale_seconds: since then, it is served without waiting for the question; no longer than the age: it is waited for.
        stale_if_error_seconds: since then, it is served in the place of a failure.
        absent_seconds: "not found" is remembered, at most `LONGEST_ABSENT_SECONDS`.
        patience_seconds: who can be given something held waits for the upstream.
        backoff_seconds: after a failure the upstream is not asked about what is held.
    """

    max_age_seconds: float = 60.0
    stale_seconds: float = 0.0
    stale_if_error_seconds: float = math.inf
    absent_seconds: float = LONGEST_ABSENT_SECONDS
    patience_seconds: float = 2.0
    backoff_seconds: float = 1.0


@dataclass(slots=True)
class _Held(Generic[V]):
    value: V
    validators: Validators
    confirmed: float
    saved: bool
    gone: bool = False
    """The upstream has since said that there is no such thing."""


@dataclass(frozen=True, slots=True)
class Said(Generic[V]):
    """What there is to say about a thing, and how it was come by."""

    value: V
    outcome: Literal["fresh", "aged", "revalidated", "fetched", "stale"]
    stale_seconds: int | None = None
    """Set with `stale`."""


class Kept(Generic[V]):
    """The words of one upstream about one kind of thing.

    Args:
        upstream: its name, for messages.
        ask: asks it.
        snapshots: where its words outlive the process.
        capacity: the weight, as `snapshots` weighs, of what is held in memory.
        timing: how long things are believed.
        clock: Unix seconds.
        unwritten: is told when a snapshot could not be written; it is tried again with the next answer.
    """

    def __init__(
        self,
        upstream: str,
        ask: Ask[V],
        snapshots: Snapshots[V],
        *,
        capacity: int,
        timing: Timing,
        clock: Clock,
        unwritten: Callable[[StoreError], None],
    ) -> None:
        self._upstream = upstream
        self._ask = ask
        self._snapshots = snapshots
        self._timing = timing
        self._clock = clock
        self._unwritten = unwritten
        self._memory: LRUCache[str, _Held[V]] = LRUCache(
            capacity, getsizeof=lambda held: min(snapshots.weight(held.value) + 1, capacity)
        )
        self._absent: LRUCache[str, float] = LRUCache(ABSENT_NAMES)
        self._unheld: LRUCache[str, float] = LRUCache(ABSENT_NAMES)
        self._questions: Once[Said[V]] = Once()
        self._loads: Once[_Held[V] | None] = Once()
        self._writing: dict[str, _Held[V]] = {}
        self._saves: Once[None] = Once()
        self._spared_from = 0.0
        self._spared_for = 0.0

    async def say(self, key: str) -> Said[V]:
        """Give what is believed about a thing, asking the upstream if it is time to.

        Raises:
            ProjectNotFound: the upstream does not know it.
            UpstreamError: it failed, and nothing is held that may stand in.
            StoreError: the store failed.
        """
        held = self._memory.get(key)
        if held is None or not self._is_fresh(held):
            self._refuse_absent(key)
            held = held or await self._find(key)
        if held is None:
            return await asyncio.shield(self._question(key, None))
        if self._is_fresh(held):
            return Said(held.value, "fresh")
        spared = self._within(self._spared_from, self._spared_for)
        if self._is_merely_aged(held):
            if not spared:
                self._question(key, held)
            return self._stale(held) if self._spared_for else Said(held.value, "aged")
        if not self._within(held.confirmed, self._timing.stale_if_error_seconds):
            return await asyncio.shield(self._question(key, held))
        if not spared:
            question = self._question(key, held)
            done, _ = await asyncio.wait({question}, timeout=self._timing.patience_seconds)
            if done:
                with suppress(UpstreamError):
                    return question.result()
            else:
                self._spare(self._timing.backoff_seconds)
        return self._stale(held)

    async def say_anew(self, key: str, *, within_seconds: float) -> Said[V]:
        """Give what the upstream said at most so many seconds ago, asking it now if it must be.

        Raises:
            ProjectNotFound: the upstream does not know it.
            UpstreamError: it failed, whatever is held.
            StoreError: the store failed.
        """
        held = self._memory.get(key) or await self._find(key)
        if held is not None and not held.gone and self._within(held.confirmed, within_seconds):
            return Said(held.value, "fresh")
        return await asyncio.shield(self._question(key, held))

    async def recall(self, key: str) -> Said[V] | None:
        """Give what is held, however old, asking nobody; None when nothing is.

        Raises:
            StoreError: the store failed.
        """
        held = self._memory.get(key) or await self._find(key)
        return None if held is None else self._stale(held)

    async def aclose(self) -> None:
        """Stop all questions; what was answered is written."""
        await self._questions.aclose()
        await self._loads.aclose()
        await self._saves.settled()

    def _question(self, key: str, held: _Held[V] | None) -> asyncio.Task[Said[V]]:
        return self._questions.start(key, lambda: self._put_question(key, held))

    async def _put_question(self, key: str, held: _Held[V] | None) -> Said[V]:
        asked = self._clock()
        try:
            answer = await self._ask(key, None if held is None else held.validators)
        except ProjectNotFound:
            self._spare(0)
            self._absent[key] = asked
            if held is not None:
                held.gone = True
            raise
        except UpstreamError as error:
            self._spare(self._pause_after(error))
            raise
        self._spare(0)
        return await self._take(key, held, answer, asked)

    async def _take(
        self, key: str, held: _Held[V] | None, answer: tuple[V, Validators] | None, asked: float
    ) -> Said[V]:
        """Keep what was answered; in the store only when it says something new."""
        outcome: Literal["revalidated", "fetched"] = "revalidated"
        if answer is not None:
            outcome = "fetched"
            value, validators = answer
            if held is None or held.value != value:
                held = _Held(value, validators, asked, saved=False)
            held.validators = validators
        if held is None:
            raise Unreachable(
                self._upstream,
                f"The upstream {self._upstream} calls {key} unmodified, and nothing of it is held.",
            )
        held.confirmed, held.gone = asked, False
        self._memory[key] = held
        self._absent.pop(key, None)
        if not held.saved:
            self._writing[key] = held
            saving = self._saves.start(key, lambda: self._save(key))
            if len(self._writing) > MOST_UNWRITTEN:
                await asyncio.shield(saving)
        return Said(held.value, outcome)

    async def _save(self, key: str) -> None:
        """Write the latest snapshot; a store that is full keeps nobody from what the upstream said."""
        written: _Held[V] | None = None
        try:
            while (held := self._writing[key]) is not written:
                written = held
                snapshot = Snapshot(value=held.value, validators=held.validators, confirmed=held.confirmed)
                try:
                    await self._snapshots.save(key, snapshot)
                except StoreError as error:
                    self._unwritten(error)
                else:
                    held.saved = True
                    self._unheld.pop(key, None)
        finally:
            del self._writing[key]

    def _refuse_absent(self, key: str) -> None:
        if self._within(self._absent.get(key), min(self._timing.absent_seconds, LONGEST_ABSENT_SECONDS)):
            raise ProjectNotFound(f"The upstream {self._upstream} has no project {key}.")

    async def _find(self, key: str) -> _Held[V] | None:
        """Look in the store, once however many look; that nothing is there is remembered like "not found"."""
        if key in self._writing:
            return self._writing[key]
        if self._within(self._unheld.get(key), LONGEST_ABSENT_SECONDS):
            return None
        return await asyncio.shield(self._loads.start(key, lambda: self._load(key)))

    async def _load(self, key: str) -> _Held[V] | None:
        looked = self._clock()
        snapshot = await self._snapshots.load(key)
        held = self._memory.get(key)
        if held is None and snapshot is None:
            self._unheld[key] = looked
        elif held is None and snapshot is not None:
            held = _Held(snapshot.value, snapshot.validators, snapshot.confirmed, saved=True)
            self._memory[key] = held
        return held

    def _is_fresh(self, held: _Held[V]) -> bool:
        return not held.gone and self._within(held.confirmed, self._timing.max_age_seconds)

    def _is_merely_aged(self, held: _Held[V]) -> bool:
        timing = self._timing
        return (
            not held.gone
            and timing.max_age_seconds > 0
            and self._within(held.confirmed, timing.stale_seconds)
        )

    def _stale(self, held: _Held[V]) -> Said[V]:
        return Said(held.value, "stale", max(0, int(self._clock() - held.confirmed)))

    def _within(self, since: float | None, seconds: float) -> bool:
        """Tell whether it is less than so long ago; a clock that was set back makes nothing last longer."""
        return since is not None and 0 <= self._clock() - since < seconds

    def _spare(self, seconds: float) -> None:
        self._spared_from, self._spared_for = self._clock(), seconds

    def _pause_after(self, error: UpstreamError) -> float:
        if isinstance(error, Throttled) and error.retry_after is not None:
            return max(self._timing.backoff_seconds, min(error.retry_after, LONGEST_THROTTLE_SECONDS))
        return self._timing.backoff_seconds
