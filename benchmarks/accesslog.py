"""Counts what an upstream was asked for, from the access log that it writes in the format below. Pure but for `Log`."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FORMAT = "$server_port $msec $request_time $status $body_bytes_sent $request_method $uri"
"""Of nginx: when the answer had ended, how long it took, both in seconds to the millisecond; bytes of the body that were sent."""
_FIELDS = 7
_QUIET_SECONDS = 0.2
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Entry:
    """One answered request.

    Attributes:
        port: of the site that was asked.
        begun: when the request came, in seconds since the epoch. Its first byte left within the same millisecond or two,
            since the files are on the disk of the machine.
        status: of the answer.
        sent: bytes of the body.
        method: of the request.
        path: decoded, without a query.
    """

    port: int
    begun: float
    status: int
    sent: int
    method: str
    path: str


@dataclass(frozen=True)
class Count:
    """What a file cost its upstream.

    Attributes:
        gets: GET requests, ranges included.
        sent: bytes of their bodies together.
        begun: when the first of them came; None when there was none.
    """

    gets: int
    sent: int
    begun: float | None


def parse(lines: Iterable[str]) -> list[Entry]:
    """Read lines of the log; a line that is not whole yet is left out."""
    entries = []
    for line in lines:
        parts = line.split(" ", _FIELDS - 1)
        if len(parts) == _FIELDS and line.endswith("\n"):
            port, ended, took, status, sent, method, path = parts
            begun = float(ended) - float(took)
            entries.append(Entry(int(port), begun, int(status), int(sent), method, path.rstrip("\n")))
    return entries


def count(entries: Iterable[Entry], filename: str) -> Count:
    """Count the GET requests for a file, wherever it lies."""
    gets = [entry for entry in entries if entry.method == "GET" and entry.path.endswith(f"/{filename}")]
    begun = min((entry.begun for entry in gets), default=None)
    return Count(len(gets), sum(entry.sent for entry in gets), begun)


@dataclass
class Log:
    """A log that grows.

    Attributes:
        path: where it is.
        place: what is before this offset is of no interest any more.
    """

    path: Path
    place: int = 0

    def forget(self) -> None:
        """Begin a new count."""
        self.place = self.path.stat().st_size

    def entries(self) -> list[Entry]:
        """Give what was asked since `forget`, once the log has been quiet for a moment: a line comes after its last byte."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        size = -1
        while (now := self.path.stat().st_size) != size and time.monotonic() < deadline:
            size = now
            time.sleep(_QUIET_SECONDS)
        with self.path.open(newline="") as file:
            file.seek(self.place)
            return parse(file)
