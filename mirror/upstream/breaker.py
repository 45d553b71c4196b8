"""An upstream that fails again and again is left alone for a short while: nobody waits for what will not come.

Only its own place counts, and only what says that it is down: no answer, or one of the 5xx statuses. A page that cannot be
understood says nothing about the next one, and a host that files are on, or redirect to, fails for itself.
"""

import math

from mirror.errors import Unreachable
from mirror.ports import Clock

FAILURES = 5
"""So many in a row, and it counts as down."""
PROBE_SECONDS = 5.0
"""While it is down one request in so many seconds is let through, whoever it is that asks; all others fail at once."""


class NotTried(Unreachable):
    """The upstream failed again and again just now: nothing was sent."""


class Breaker:
    """Counts the failures of one upstream in a row.

    Args:
        upstream: its name in the configuration.
        clock: Unix seconds. When it is set back a probe is early, and never late.
    """

    def __init__(self, upstream: str, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._failures = 0
        self._sentence = ""
        self._probe_at = -math.inf

    def check(self) -> None:
        """Let a request pass: each while the upstream is up, one in `PROBE_SECONDS` while it is down.

        Raises:
            NotTried: it is down; it says when it is worth trying again.
        """
        if self._failures < FAILURES:
            return
        now = self._clock()
        left = self._probe_at - now
        if 0 < left <= PROBE_SECONDS:
            raise NotTried(
                self._upstream,
                f"{self._sentence} It failed {self._failures} times in a row and is asked again in a moment.",
                retry_after=math.ceil(left),
            )
        self._probe_at = now + PROBE_SECONDS

    def succeeded(self) -> None:
        """Note an answer: the upstream is up."""
        self._failures = 0

    def failed(self, sentence: str) -> None:
        """Note a failure, and the sentence that says how it failed."""
        self._failures += 1
        self._sentence = sentence
        self._probe_at = self._clock() + PROBE_SECONDS
