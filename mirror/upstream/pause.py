"""How long an upstream asked to be left alone: told once, obeyed by everybody who would ask it."""

import math

from mirror.errors import Throttled
from mirror.ports import Clock
from mirror.upstream.failures import LONGEST_RETRY_SECONDS


class NotAsked(Throttled):
    """The upstream had asked before to be left alone: nothing was sent."""


class Pause:
    """The time until which one upstream is not asked, as its 429 answers had it (RFC 6585 section 4).

    Args:
        clock: Unix seconds. When it is set back a pause ends early, and never late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = -math.inf
        self._asked_for: Throttled | None = None

    def begin(self, answer: Throttled) -> None:
        """Obey an answer; one without a time asks for no pause."""
        if answer.retry_after is not None:
            self._until = self._clock() + answer.retry_after
            self._asked_for = answer

    def check(self) -> None:
        """Let a request pass.

        Raises:
            NotAsked: the upstream is still to be left alone; it says for how long.
        """
        left = self._until - self._clock()
        if self._asked_for is not None and 0 < left <= LONGEST_RETRY_SECONDS:
            raise NotAsked(
                self._asked_for.upstream, str(self._asked_for), retry_after=max(1, math.ceil(left))
            )
