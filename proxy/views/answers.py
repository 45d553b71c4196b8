"""The parts of which answers for files are made: what was asked, header fields, and answers without a body."""

from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

from proxy.caching import Asked, Span, Verdict
from proxy.middleware import Note
from proxy.problems import Declined, Problem

FOR_EVER = "public, max-age=365000000, immutable"
"""A file's bytes never change under its name."""
UNVERIFIED = "no-store"
"""What is not yet known to be right may not outlive the connection."""
LONGEST_LIST = 4096
"""Characters of a list field, ten times a browser's. Ours to choose, since anybody may send a hundred lines of one."""
_KEPT_WHEN_UNMODIFIED = ("ETag", "Cache-Control", "Last-Modified", "Vary", "X-Wheelkeep-Stale")


def listed(request: web.Request, field: str) -> str | None:
    """Give a list field that may have come in several lines (RFC 9110 section 5.3).

    Returns:
        None when it is absent, or too long to be worth reading.
    """
    values = request.headers.getall(field, ())
    if not values or sum(map(len, values)) > LONGEST_LIST:
        return None
    return ",".join(values)


def asked(request: web.Request) -> Asked:
    """Read the conditions and the range of a request."""
    headers = request.headers
    return Asked(
        if_match=listed(request, "If-Match"),
        if_none_match=listed(request, "If-None-Match"),
        if_modified_since=headers.get("If-Modified-Since"),
        if_unmodified_since=headers.get("If-Unmodified-Since"),
        if_range=headers.get("If-Range"),
        range=headers.get("Range"),
    )


def file_headers(etag: str | None, cache_control: str) -> CIMultiDict[str]:
    """Give the header fields of a distribution file or a part of it."""
    headers = CIMultiDict(
        {
            "Content-Type": "application/octet-stream",
            "Cache-Control": cache_control,
            "Accept-Ranges": "bytes",
        }
    )
    if etag is not None:
        headers["ETag"] = etag
    return headers


def passes(verdict: Verdict | Span, note: Note, size: int) -> bool:
    """Tell whether there is something to send of a file of `size` bytes; False stands for 304.

    Raises:
        Declined: 412 or 416.
    """
    match verdict:
        case Verdict.NOT_MODIFIED:
            note.outcome = "unmodified"
            return False
        case Verdict.FAILED:
            sentence = "The file is not the one that If-Match or If-Unmodified-Since speaks of."
            raise Declined(Problem(HTTPStatus.PRECONDITION_FAILED, sentence))
        case Verdict.UNSATISFIABLE:
            sentence = f"The range lies outside of the file, which has {size} bytes."
            extra = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
            raise Declined(Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, sentence, extra=extra))
        case _:
            return True


def extent(verdict: Verdict | Span, headers: CIMultiDict[str], size: int) -> tuple[HTTPStatus, int, int]:
    """Give status, start and stop, and say in the headers which part it is."""
    if not isinstance(verdict, Span):
        return HTTPStatus.OK, 0, size
    headers["Content-Range"] = f"bytes {verdict.start}-{verdict.stop - 1}/{size}"
    return HTTPStatus.PARTIAL_CONTENT, *verdict


def bodiless(headers: CIMultiDict[str], size: int) -> web.StreamResponse:
    """Answer a HEAD."""
    response = web.StreamResponse(headers=headers)
    response.content_length = size
    return response


def unmodified(headers: CIMultiDict[str]) -> web.Response:
    """Answer 304 with the fields that keep the client's copy fresh (RFC 9110 section 15.4.5)."""
    return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_kept(headers))


def unmodified_head(headers: CIMultiDict[str]) -> bytes:
    """Write the same as it goes over the wire."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in _kept(headers).items())
    return f"HTTP/1.1 304 Not Modified\r\n{fields}".encode("latin-1")


def _kept(headers: CIMultiDict[str]) -> dict[str, str]:
    return {field: headers[field] for field in _KEPT_WHEN_UNMODIFIED if field in headers}
