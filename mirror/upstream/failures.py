"""What went wrong, in the errors of the house: one sentence that names the upstream, the host and the cause in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from werkzeug.http import parse_date
from yarl import URL

from mirror.errors import Rejected, Throttled, Unreachable, UpstreamError
from mirror.upstream.urls import place, shown

LONGEST_RETRY_SECONDS = 60
"""An upstream that asks for more is asked again after this: it may have come back, and one request does not hurt it."""

TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)
"""Everything that aiohttp raises when an exchange breaks."""
READ_ERRORS = (*TRANSPORT_ERRORS, RuntimeError)
"""And when a body breaks: its reader raises a bare RuntimeError when the connection was closed under it."""

_PASSING_STATUSES = frozenset({502, 503, 504})
_SHOWN_REASON = 80

_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "cannot be found: its name does not resolve"),
    (
        aiohttp.ClientConnectorCertificateError,
        "has a TLS certificate that is not trusted: check its certificate, or the certificates of this machine",
    ),
    (aiohttp.ClientSSLError, "did not complete the TLS handshake"),
    (aiohttp.ConnectionTimeoutError, "did not accept a connection in time"),
    (TimeoutError, "did not go on answering in time"),
    (aiohttp.ServerDisconnectedError, "closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "broke off in the middle of its answer"),
    (aiohttp.ClientResponseError, "answered something that is not HTTP"),
    (RuntimeError, "was cut off: the connection was closed on this side"),
)
"""The first that fits; the special ones stand before the general ones."""


class Passing(Exception):
    """Carries a failure that may be gone at the next attempt. It never leaves this room."""

    def __init__(self, failure: Unreachable) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked, for sentences.

    Attributes:
        upstream: its name in the configuration.
        url: what the answer came from.
        connection: the name of the connection that belongs to it, where there is one.
        away: the answer came from another origin, where no credentials were sent.
    """

    upstream: str
    url: URL
    connection: str | None = None
    away: bool = False

    def unreachable(self, what: str, *, retry_after: int | None = None) -> Unreachable:
        """Make an `Unreachable` whose sentence goes on after the upstream's name and place."""
        return Unreachable(
            self.upstream, f"Upstream {self.upstream!r} at {place(self.url)} {what}.", retry_after=retry_after
        )

    def rejected(self, sign: str) -> Rejected:
        """Make a `Rejected` that says how that showed, which connection it was, and what to do."""
        begin = f"Upstream {self.upstream!r} at {place(self.url)}"
        if self.connection is None:
            return Rejected(
                self.upstream,
                f"{begin} asks for credentials ({sign}) and no connection matches {shown(self.url)}: "
                "add one whose target this URL begins with.",
            )
        return Rejected(
            self.upstream,
            f"{begin} does not accept the credentials of connection {self.connection!r} ({sign}): "
            "renew its secret, or give it access.",
        )

    def broken(self, error: BaseException) -> Unreachable:
        """Make an `Unreachable` for an exchange that broke, chained to its cause where that is safe to show."""
        failure = self.unreachable(_in_words(error))
        failure.__cause__ = error if _safe_to_show(error, self.url) else None
        failure.__suppress_context__ = True
        return failure


def for_status(asked: Asked, status: int, headers: Mapping[str, str], now: float) -> UpstreamError | Passing:
    """Turn a status that is neither an answer nor "not found" into an error.

    Args:
        asked: who was asked.
        status: the HTTP status.
        headers: the answer's, looked up without regard to case.
        now: Unix seconds, to read a `Retry-After` date by.
    """
    wait = retry_after(headers.get("Retry-After"), now)
    if status == 429:  # noqa: PLR2004 - HTTP statuses read best as numbers
        return Throttled(
            asked.upstream,
            f"Upstream {asked.upstream!r} at {place(asked.url)} asks to be left alone for a while (HTTP 429).",
            retry_after=wait,
        )
    if status in {401, 403, 203}:
        if asked.away:
            return asked.unreachable(f"refuses the link that the upstream redirected to (HTTP {status})")
        return asked.rejected("its sign-in page" if status == 203 else f"HTTP {status}")  # noqa: PLR2004 - as above
    failure = asked.unreachable(f"answered HTTP {status}", retry_after=wait)
    return Passing(failure) if status in _PASSING_STATUSES and wait is None else failure


def retry_after(value: str | None, now: float) -> int | None:
    """Read `Retry-After` (RFC 9110 section 10.2.3), seconds or a date, as whole seconds from 1 to 60; None without sense."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # A number of thousands of digits is not worth reading.
        seconds = float(value) if len(value) < 12 else math.inf  # noqa: PLR2004
    else:
        date = parse_date(value)
        if date is None:
            return None
        seconds = date.timestamp() - now
    return math.ceil(max(1, min(LONGEST_RETRY_SECONDS, seconds)))


def _in_words(error: BaseException) -> str:
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be connected to ({_system_words(error.os_error)})"
    if isinstance(error, OSError):
        return f"lost the connection ({_system_words(error)})"
    return f"could not be asked ({type(error).__name__})"


def _system_words(error: OSError) -> str:
    return (error.strerror or type(error).__name__)[:_SHOWN_REASON].lower()


def _safe_to_show(error: BaseException, url: URL) -> bool:
    """A cause is kept unless it quotes a signed URL, or the headers of our request (as `ClientResponseError` does)."""
    if isinstance(error, aiohttp.ClientResponseError):
        return False
    return not (url.raw_query_string and url.raw_query_string in f"{error!s}{error!r}")
