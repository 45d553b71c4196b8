"""Where a file comes from, and within which bounds it is brought."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mirror.flight.proof import Promise
from mirror.flight.segments import DIVISION, Division
from mirror.ports import Upstream

RESUME_PAUSES_SECONDS = (0.0, 0.5, 2.0)
"""What is waited before each attempt to continue a body that broke; their number is the number of attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file comes from, and what is known of it before."""

    upstream: Upstream
    url: str
    promise: Promise
    max_bytes: int
    """A larger file is refused."""
    resume_pauses_seconds: tuple[float, ...] = RESUME_PAUSES_SECONDS
    division: Division = DIVISION
    monotonic: Callable[[], float] = time.monotonic
    """Seconds on a clock that never goes back, by which the upstream is found slow."""
