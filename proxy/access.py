"""How every request ends, whoever answered it: one line in the access log, and one count."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
import structlog

from proxy.metrics import Metrics

Write = Callable[[str, Mapping[str, object]], None]
"""Writes an access line: its level, and what it tells."""

QUIET_VIEWS = frozenset({"healthz", "readyz", "metrics"})
"""Asked every few seconds for ever; their lines are for debugging."""

_log = structlog.stdlib.get_logger("proxy.access")


def new_request_id() -> str:
    """Make an id that another request hardly has: 16 hexadecimal digits. It guards nothing, and costs no call of the system."""
    return f"{random.getrandbits(64):016x}"


def write_structured(level: str, line: Mapping[str, object]) -> None:
    """Write a line as every other event of the program is written."""
    getattr(_log, level)(**line)


class Ended(msgspec.Struct, frozen=True):
    """What is told of a request that ended."""

    request_id: str
    method: str
    path: str
    """Without its query."""
    status: int
    sent: int
    """Bytes of the body."""
    seconds: float
    client: str | None
    view: str
    index: str | None
    source: str | None
    outcome: str | None
    reason: str | None = None
    """The sentence of a failure."""


@dataclass(slots=True, frozen=True)
class Access:
    """Tells the end of each request to the metrics and to the access log."""

    metrics: Metrics
    write: Write = field(default=write_structured)

    def __call__(self, ended: Ended) -> None:
        """Count the request and write its line."""
        self.metrics.request_ended(ended.view, ended.method, ended.status, ended.seconds, ended.sent)
        line = {
            "event": "request",
            "request_id": ended.request_id,
            "method": ended.method,
            "path": ended.path,
            "status": ended.status,
            "bytes": ended.sent,
            "seconds": round(ended.seconds, 6),
            "client": ended.client,
            "index": ended.index,
            "source": ended.source,
            "outcome": ended.outcome,
            "reason": ended.reason,
        }
        if ended.view in QUIET_VIEWS:
            write_structured("debug", line)
        elif ended.status >= HTTPStatus.INTERNAL_SERVER_ERROR or ended.outcome == "aborted":
            self.write("warning", line)
        else:
            self.write("info", line)
