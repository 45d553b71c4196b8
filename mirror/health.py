"""Whether the house can do its work, and what is wrong where it cannot."""

import asyncio
import math
from dataclasses import dataclass

from mirror import layout
from mirror.errors import FileNotFound, StoreError
from mirror.events import Event, UpstreamCalled
from mirror.ports import Clock, Store

STORE_CHECK_SECONDS = 10.0
"""The store is probed at most so often, however many ask."""
STORE_PATIENCE_SECONDS = 3.0
"""A store that has not answered a probe by then does not work."""

_TROUBLES = {
    "unreachable": "cannot be reached",
    "rejected": "does not accept its credentials",
    "throttled": "asks to be left alone",
}


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness says.

    Attributes:
        ready: requests can be answered, if only from what is held.
        reasons: a sentence for each thing that is wrong; empty when all is well.
    """

    ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Trouble:
    outcome: str
    reason: str
    since: float
    times: int = 1


class Conditions:
    """An observer of `UpstreamCalled`: which upstreams have failed since they last answered.

    "Not found" is an answer. A call that wheelkeep itself refused says nothing about the upstream.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def __call__(self, event: Event) -> None:
        """Take note of an exchange with an upstream; other events pass by."""
        if not isinstance(event, UpstreamCalled) or event.outcome == "refused":
            return
        if event.outcome not in _TROUBLES:
            self._troubles.pop(event.upstream, None)
            return
        trouble = self._troubles.get(event.upstream)
        if trouble is None:
            self._troubles[event.upstream] = _Trouble(event.outcome, event.reason, self._clock())
        else:
            trouble.outcome, trouble.reason = event.outcome, event.reason
            trouble.times += 1

    def reasons(self) -> tuple[str, ...]:
        """Give a sentence for each failing upstream, by name: what, since when, how often, why."""
        now = self._clock()
        return tuple(
            f"The upstream {name} {_TROUBLES[trouble.outcome]}: {trouble.times} failed "
            f"{'call' if trouble.times == 1 else 'calls'} in {max(0, math.ceil(now - trouble.since))} s. {trouble.reason}".rstrip()
            for name, trouble in sorted(self._troubles.items())
        )

    def health(self) -> Health:
        """Sum up: a failing upstream is told, and what is held is still served."""
        return Health(ready=True, reasons=self.reasons())


class Readiness:
    """Asks the store and the conditions: `await readiness()` gives the `Health` of the whole.

    Args:
        conditions: of the upstreams.
        store: probed by writing. One that cannot be written and can be read degrades, as a full disk does: what is held
            is still served. One that cannot even be read makes the house not ready.
        clock: Unix seconds.
    """

    def __init__(self, conditions: Conditions, store: Store, clock: Clock) -> None:
        self._conditions = conditions
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._checked: float | None = None
        self._of_the_store = Health(ready=True)
        self._probing: asyncio.Task[Health] | None = None

    async def __call__(self) -> Health:
        """Give the health as it is now; of the store, as it was at most `STORE_CHECK_SECONDS` ago."""
        async with self._lock:
            age = math.inf if self._checked is None else self._clock() - self._checked
            if not 0 <= age < STORE_CHECK_SECONDS:
                self._of_the_store = await self._probe()
                self._checked = self._clock()
        found = self._of_the_store
        return Health(found.ready, (*found.reasons, *self._conditions.reasons()))

    async def _probe(self) -> Health:
        """Probe the store; a probe that hangs is left to itself, and asked again next time."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._examine())
        done, _ = await asyncio.wait({self._probing}, timeout=STORE_PATIENCE_SECONDS)
        if not done:
            reason = f"The store did not answer within {STORE_PATIENCE_SECONDS:g} s; check its disk."
            return Health(ready=False, reasons=(reason,))
        probing, self._probing = self._probing, None
        return probing.result()

    async def _examine(self) -> Health:
        try:
            await self._store.check()
        except StoreError as error:
            return Health(ready=await self._can_be_read(), reasons=(str(error),))
        return Health(ready=True)

    async def _can_be_read(self) -> bool:
        """Tell whether the store still knows what it does not hold."""
        try:
            await self._store.stat(layout.probe("reading"))
        except FileNotFound:
            return True
        except StoreError:
            return False
        return True
