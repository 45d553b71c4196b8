"""What a failure looks like to a client: one total table from every leaf of `mirror.errors`, and RFC 9457 bodies.

The statuses are chosen by what clients do with them. Only "not found" is 404, since uv and pip look elsewhere on it. An
upstream's or the store's failure is 503 with `Retry-After` in whole seconds, which every client retries and no client
takes for an answer; never 401 or 403, on which clients ask for a password or look elsewhere. Bytes that are not what
was promised are 424, which nobody retries: asking again would fetch the same bytes again.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec

from mirror import errors

LONGEST_REASON = 200
"""Characters of a reason phrase; the body holds the whole sentence."""
LONGEST_RETRY_SECONDS = 60
"""pip sleeps for `Retry-After` before each of its five retries, so an upstream's hour must not become a client's day."""


class Problem(msgspec.Struct, frozen=True):
    """One failure, ready to be answered."""

    status: HTTPStatus
    sentence: str
    """What, where, what to do: for the body, and, cut and cleaned, for the reason phrase that pip prints."""
    retry_seconds: int | None = None
    extra: Mapping[str, str] = {}
    """Header fields that belong to the status, such as Allow."""

    @property
    def reason(self) -> str:
        """The sentence as a reason phrase: printable ASCII on one line (RFC 9112 section 4)."""
        line = " ".join(self.sentence.split()).encode("ascii", "replace").decode()
        printable = "".join(character for character in line if character.isprintable())
        return printable[:LONGEST_REASON]

    def headers(self) -> dict[str, str]:
        """Give the header fields of the answer, but those of its body.

        Nothing is stored on the way: how long "not found" may be believed is decided by who remembers it, in `mirror`.
        """
        fields = {"Cache-Control": "no-store", "Vary": "Accept", **self.extra}
        if self.retry_seconds is not None:
            fields["Retry-After"] = str(self.retry_seconds)
        return fields

    def body(self, accept: str, request_id: str) -> tuple[str, bytes]:
        """Give the content type and the body: RFC 9457 to who asks for JSON, else the sentence as plain text."""
        if "json" in accept.lower():
            document = {
                "type": "about:blank",
                "title": self.status.phrase,
                "status": int(self.status),
                "detail": self.sentence,
                "request_id": request_id,
            }
            return "application/problem+json", msgspec.json.encode(document)
        return "text/plain; charset=utf-8", f"{self.sentence}\n".encode(errors="replace")


class Declined(Exception):
    """A view's answer is a problem of HTTP itself, which `mirror` does not know."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


class _Kind(msgspec.Struct, frozen=True):
    status: HTTPStatus
    retry_seconds: int | None = None


TABLE: Mapping[type[errors.WheelkeepError], _Kind] = MappingProxyType(
    {
        errors.ProjectNotFound: _Kind(HTTPStatus.NOT_FOUND),
        errors.FileNotFound: _Kind(HTTPStatus.NOT_FOUND),
        errors.Refused: _Kind(HTTPStatus.FORBIDDEN),
        errors.Conflict: _Kind(HTTPStatus.CONFLICT),
        errors.Corrupt: _Kind(HTTPStatus.FAILED_DEPENDENCY),
        errors.Invalid: _Kind(HTTPStatus.BAD_REQUEST),
        errors.Unreachable: _Kind(HTTPStatus.SERVICE_UNAVAILABLE, retry_seconds=3),
        errors.Rejected: _Kind(HTTPStatus.SERVICE_UNAVAILABLE, retry_seconds=5),
        errors.Throttled: _Kind(HTTPStatus.SERVICE_UNAVAILABLE, retry_seconds=10),
        errors.StoreError: _Kind(HTTPStatus.SERVICE_UNAVAILABLE, retry_seconds=5),
    }
)
"""Every leaf of the error tree."""


def of(error: errors.WheelkeepError) -> Problem | None:
    """Find what an error looks like outside; None when it, and all it derives from, are not in the table."""
    kind = next((TABLE[base] for base in type(error).__mro__ if base in TABLE), None)
    if kind is None:
        return None
    retry_seconds = kind.retry_seconds
    if isinstance(error, errors.UpstreamError) and error.retry_after is not None:
        retry_seconds = min(max(error.retry_after, 1), LONGEST_RETRY_SECONDS)
    return Problem(kind.status, str(error) or kind.status.phrase, retry_seconds)


def unexpected(request_id: str) -> Problem:
    """Describe a failure that nobody foresaw, without telling anything of it."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"wheelkeep failed in a way that it should not; its log says why, under request id {request_id}.",
    )
