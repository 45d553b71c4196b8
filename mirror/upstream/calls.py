"""Tells the observer about each exchange with an upstream, once, when it has ended."""

import asyncio
import time
from typing import Literal

from mirror.errors import Corrupt, NotFound, Refused, Rejected, Throttled, WheelkeepError
from mirror.events import Observer, UpstreamCalled
from mirror.upstream.breaker import NotTried
from mirror.upstream.failures import Passing
from mirror.upstream.pause import NotAsked

Kind = Literal["page", "list", "file", "range", "metadata"]
Outcome = Literal["ok", "unmodified", "not_found", "unreachable", "rejected", "throttled", "refused"]


class Call:
    """One exchange, from now until `end`.

    Attributes:
        received: bytes of bodies so far; whoever reads them adds them up here.
    """

    def __init__(self, upstream: str, kind: Kind, observer: Observer) -> None:
        self._upstream = upstream
        self._kind = kind
        self._observer = observer
        self._began = time.monotonic()
        self.received = 0

    def end(self, error: BaseException | None = None, *, outcome: Outcome = "ok") -> None:
        """Tell how it ended: with `error`, else with `outcome`.

        What was cancelled says nothing about the upstream, and what was never sent is no exchange.
        """
        if isinstance(error, asyncio.CancelledError | NotAsked | NotTried):
            return
        self._observer(
            UpstreamCalled(
                upstream=self._upstream,
                kind=self._kind,
                outcome=outcome if error is None else _outcome(error),
                seconds=time.monotonic() - self._began,
                received=self.received,
                reason=_reason(error),
            )
        )


def _reason(error: BaseException | None) -> str:
    if error is None or isinstance(error, NotFound):
        return ""
    # Only our own sentences are known to hold no secret.
    return str(error) if isinstance(error, WheelkeepError | Passing) else type(error).__name__


def _outcome(error: BaseException) -> Outcome:
    match error:
        case NotFound():
            return "not_found"
        case Rejected():
            return "rejected"
        case Throttled():
            return "throttled"
        case Refused():
            return "refused"
        case Corrupt():
            # A range beyond the end: the upstream answered as it should.
            return "ok"
        case _:
            return "unreachable"
