"""The table of flights: one a key, owned by the service, with a short memory for files that keep coming wrong."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Literal, NamedTuple

from cachetools import TTLCache

from mirror.errors import Corrupt, Unreachable, WheelkeepError
from mirror.events import FlightEnded, FlightStarted, Observer, nobody
from mirror.flight.flight import Flight

CORRUPT_MEMORY_SECONDS = 60
"""So long nobody asks an upstream again for a file that came wrong twice: clients retry at once, and once is enough to
mend what went wrong on the way."""
FORGIVEN = 1
"""How often a file may come wrong within that time before it is refused."""
_MOST_CORRUPT = 10_000
_NEVER = (0, "")


class Flights:
    """Flights under way, by key. A flight ends here whatever happens to it, and frees its key."""

    def __init__(self, *, observer: Observer = nobody, monotonic: Callable[[], float]) -> None:
        """Begin with an empty table.

        Args:
            observer: told when a flight starts and ends.
            monotonic: seconds on a clock that never goes back.
        """
        self._observer = observer
        self._monotonic = monotonic
        self._flights: dict[Hashable, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._corrupt: TTLCache[Hashable, tuple[int, str]] = TTLCache(
            _MOST_CORRUPT, CORRUPT_MEMORY_SECONDS, timer=monotonic
        )

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: Hashable) -> Flight | None:
        """Give the flight that is under way for a key, and can be joined."""
        flight = self._flights.get(key)
        return flight if flight is not None and flight.joinable else None

    def check(self, file: Hashable) -> None:
        """Refuse a file that came wrong again and again within a short while.

        Raises:
            Corrupt: it did; the sentence is the one of the last time.
        """
        times, sentence = self._corrupt.get(file, _NEVER)
        if times > FORGIVEN:
            raise Corrupt(sentence)

    def launch(self, key: Hashable, flight: Flight, *, source: str, file: Hashable) -> None:
        """Start a flight of a key that has none that can be joined.

        Args:
            key: what it is joined by.
            flight: the new one.
            source: the name of the source, for the observer.
            file: what its corruption is remembered by.
        """
        self._flights[key] = flight
        self._observer(FlightStarted(source))
        task = asyncio.create_task(flight.run())
        self._tasks.add(task)
        entry = _Entry(key, flight, source, file, self._monotonic())
        task.add_done_callback(lambda done: self._end(done, entry))

    async def aclose(self, seconds: float) -> None:
        """Wait so long for the flights under way, then cancel the rest; no temporary file stays."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        rest = list(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        # From Python 3.12 on nothing waits for tasks that are done already, and their ends are told in the next turn.
        await asyncio.sleep(0)

    def _end(self, task: asyncio.Task[None], entry: "_Entry") -> None:
        """Free the key and tell everybody, however the flight has ended, also when it never began."""
        self._tasks.discard(task)
        if self._flights.get(entry.key) is entry.flight:
            del self._flights[entry.key]
        outcome: Literal["committed", "followed", "corrupt", "failed"]
        outcome = "followed" if entry.flight.followed else "committed"
        failure = _failure(task, entry.source)
        if failure is not None:
            outcome = "corrupt" if isinstance(failure, Corrupt) else "failed"
            entry.flight.fail(failure)
        if isinstance(failure, Corrupt):
            times, _ = self._corrupt.get(entry.file, _NEVER)
            self._corrupt[entry.file] = (times + 1, str(failure))
        elif failure is not None and not isinstance(failure, WheelkeepError):
            complaint = {"message": "A download ended in a way that nobody foresaw.", "exception": failure}
            task.get_loop().call_exception_handler(complaint)
        seconds = self._monotonic() - entry.began
        self._observer(FlightEnded(entry.source, outcome, entry.flight.received, seconds))


class _Entry(NamedTuple):
    """One flight in the table."""

    key: Hashable
    flight: Flight
    source: str
    file: Hashable
    began: float


def _failure(task: asyncio.Task[None], source: str) -> BaseException | None:
    """Tell why a flight's task has failed, if it has."""
    if task.cancelled():
        return Unreachable(source, "The download was stopped because wheelkeep is shutting down: ask again.")
    return task.exception()
