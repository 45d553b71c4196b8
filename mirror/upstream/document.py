"""Pages, lists and metadata files: read whole within a bound, decoded, and taken only when they are proven whole."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import aiohttp

from mirror.errors import Invalid
from mirror.simple import parse
from mirror.upstream import coding
from mirror.upstream.body import is_framed
from mirror.upstream.calls import Call
from mirror.upstream.failures import READ_ERRORS, Asked, Passing
from mirror.upstream.limits import KIB

Understood = TypeVar("Understood")
Reader = Callable[[bytes, str, str], Understood]
"""Makes sense of (body, media type, URL), or raises `Invalid`."""

INLINE_BYTES = 64 * KIB
"""What is larger is decoded and parsed in a thread; so is what is coded, for its size is not known before."""

_READERS = ThreadPoolExecutor(2, thread_name_prefix="reader")
"""Threads of their own: large documents, of which a hostile upstream has many, keep nobody from the disk."""

_HTML_END = b"</html>"
_HTML_END_WITHIN = 1 * KIB
_HTML = frozenset({"text/html", "application/vnd.pypi.simple.v1+html"})
_JSON_ENDING = "json"


async def read(
    response: aiohttp.ClientResponse, asked: Asked, reader: Reader[Understood], *, limit: int, call: Call
) -> Understood:
    """Read the body of a 200 answer and make sense of it.

    Args:
        response: the answer, its body unread.
        asked: who was asked.
        reader: makes sense of the body.
        limit: the most bytes, as they come and decoded.
        call: adds up what was received.

    Raises:
        Rejected: it is a sign-in page.
        Unreachable: it is too large, cut, damaged, or not what was asked for.
        Passing: the connection broke on the way.
    """
    wire = await _wire(response, asked, limit, call)
    encoding = ", ".join(response.headers.getall("Content-Encoding", ()))
    media_type = response.content_type
    proven = is_framed(response) or not coding.is_plain(encoding)

    def understand() -> Understood:
        body = coding.decoded(wire, encoding, limit=limit)
        try:
            if not (proven or _proves_itself(body, media_type)):
                raise Invalid("it may be cut off: neither its length nor its end is marked.")  # noqa: TRY301
            return reader(body, media_type, str(asked.url))
        except Invalid:
            if parse.looks_like_sign_in(body, str(asked.url)):
                raise SignInPage from None
            raise

    try:
        if len(wire) <= INLINE_BYTES and coding.is_plain(encoding):
            return understand()
        return await asyncio.get_running_loop().run_in_executor(_READERS, understand)
    except SignInPage:
        raise asked.rejected("its sign-in page") from None
    except Invalid as error:
        raise asked.unreachable(
            f"sent something that cannot be used. {str(error).removesuffix('.')}"
        ) from error


class SignInPage(Exception):
    """A page for people came where a document for programs was asked for."""


async def _wire(response: aiohttp.ClientResponse, asked: Asked, limit: int, call: Call) -> bytes:
    too_large = asked.unreachable(f"sent more than {limit} bytes where a page was expected")
    if (response.content_length or 0) > limit:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await response.content.readany():
            size += len(piece)
            call.received = size
            if size > limit:
                raise too_large
            pieces.append(piece)
    except READ_ERRORS as error:
        failure = asked.broken(error)
        raise Passing(failure) from failure.__cause__
    return b"".join(pieces)


def _proves_itself(body: bytes, media_type: str) -> bool:
    """Tell whether only a whole body can be understood: JSON always, HTML when its last tag is there."""
    if media_type in _HTML:
        return _HTML_END in body[-_HTML_END_WITHIN:].lower()
    return media_type.endswith(_JSON_ENDING)
