"""Undoes the gzip coding of a page, within a bound and to its proven end. Pure.

aiohttp's own decoding is switched off: it takes a gzip stream that was cut short for a whole one, and decodes files.
"""

import zlib

from mirror.errors import Invalid

try:
    from isal.igzip_lib import IsalError
    from isal.isal_zlib import decompressobj

    # isal's stub calls the class an instance of Exception.
    _DAMAGED: tuple[type[Exception], ...] = (zlib.error, IsalError)  # type: ignore[assignment]
except ImportError:  # a platform without a build of isal
    decompressobj = zlib.decompressobj  # type: ignore[assignment]
    _DAMAGED = (zlib.error,)

_GZIP_FRAMED = 16 + zlib.MAX_WBITS
_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity"})


def is_plain(coding: str) -> bool:
    """Tell whether a `Content-Encoding` says that nothing was done to the bytes."""
    return coding.strip().lower() in _PLAIN


def decoded(data: bytes, coding: str, *, limit: int) -> bytes:
    """Undo a `Content-Encoding` (RFC 9110 section 8.4).

    Args:
        data: a whole body.
        coding: the value of the header, empty when there is none.
        limit: the most bytes to give.

    Raises:
        Invalid: the coding is unknown, the stream is cut, damaged or followed by something, or too much comes out.
    """
    if is_plain(coding):
        return data
    if coding.strip().lower() not in _GZIP:
        raise Invalid("The answer has a content coding that was not asked for.")
    stream = decompressobj(_GZIP_FRAMED)
    try:
        plain = stream.decompress(data, limit + 1)
    except _DAMAGED as error:
        raise Invalid("The gzip stream is damaged.") from error
    if len(plain) > limit:
        raise Invalid(f"The answer is larger than {limit} bytes when decoded.")
    if not stream.eof:
        raise Invalid("The gzip stream is cut off.")
    if stream.unused_data:
        raise Invalid("Something follows the gzip stream.")
    return plain
