"""Facts that happened, as frozen values, and the type of those who watch.

The product tells what it did and knows no metrics library; `proxy.metrics` is one observer, a test's list is another.
"""

from collections.abc import Callable
from typing import Literal

import msgspec


class UpstreamCalled(msgspec.Struct, frozen=True):
    """One HTTP exchange with an upstream ended, redirects included."""

    upstream: str
    kind: Literal["page", "list", "file", "range", "metadata"]
    outcome: Literal["ok", "unmodified", "not_found", "unreachable", "rejected", "throttled", "refused"]
    seconds: float
    received: int
    """Bytes of bodies as they came over the wire."""
    reason: str = ""
    """One sentence on a failure, without secrets."""


class PageLooked(msgspec.Struct, frozen=True):
    """A source was asked for a project page or its project list."""

    source: str
    outcome: Literal["fresh", "aged", "revalidated", "fetched", "stale", "absent", "failed"]
    """fresh: answered from memory or store; aged: likewise, while it is asked for again; absent: it does not know the project."""


class FileLooked(msgspec.Struct, frozen=True):
    """A file, or its metadata, was asked for."""

    source: str
    outcome: Literal["hit", "miss", "joined", "relayed"]
    """miss: started a flight; joined: found one under way; relayed: answered by a range of the upstream."""


class FlightEnded(msgspec.Struct, frozen=True):
    """A download ended."""

    source: str
    outcome: Literal["committed", "followed", "corrupt", "failed"]
    """followed: another process that shares the cache has fetched the file."""
    received: int
    """Bytes."""
    seconds: float


class FlightStarted(msgspec.Struct, frozen=True):
    """A download began."""

    source: str


class LearningFailed(msgspec.Struct, frozen=True):
    """What was learned (of a file, a page, an owner) could not be written down.

    It is served all the same, and written when it is next asked for and the store takes it.
    """

    source: str
    reason: str
    """One sentence, without secrets."""


Event = UpstreamCalled | PageLooked | FileLooked | FlightEnded | FlightStarted | LearningFailed
Observer = Callable[[Event], None]


def nobody(_event: Event) -> None:
    """Watch nothing: the observer of those who do not care."""
