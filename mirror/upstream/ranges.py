"""Asks for parts of a file and judges what came: RFC 9110 sections 13.1.5 (If-Range) and 14 (Range). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.http import parse_content_range_header

from mirror.errors import Invalid


@dataclass(frozen=True, slots=True)
class Extent:
    """Which bytes of a file an answer carries.

    Attributes:
        start: the offset of the first one.
        length: how many come, where that is known.
        total: bytes of the whole file, where that is known.
        validator: what `If-Range` takes to go on with this very file.
        ranges: whether the answer proves that parts can be had.
    """

    start: int
    length: int | None
    total: int | None
    validator: str | None
    ranges: bool


def request_headers(start: int, stop: int | None, validator: str | None) -> dict[str, str]:
    """Make the headers that ask for bytes [start, stop); none when that is the whole file.

    Raises:
        ValueError: the range is empty or negative.
    """
    if start < 0 or (stop is not None and stop <= start):
        raise ValueError(f"Bytes [{start}, {stop}) are no range.")
    if start == 0 and stop is None:
        return {}
    headers = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
    if validator is not None:
        headers["If-Range"] = validator
    return headers


def whole(headers: Mapping[str, str]) -> Extent:
    """Read the extent of a 200 answer."""
    length = _content_length(headers)
    ranges = headers.get("Accept-Ranges", "").strip().lower() == "bytes"
    return Extent(0, length, length, strong_validator(headers), ranges)


def part(headers: Mapping[str, str], start: int, stop: int | None) -> Extent:
    """Read the extent of a 206 answer to a request for bytes [start, stop).

    Raises:
        Invalid: it is not that part, or contradicts itself.
    """
    if headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        raise Invalid("several parts where one was asked for")
    given = parse_content_range_header(headers.get("Content-Range"))
    if given is None or given.units != "bytes" or given.start is None or given.stop is None:
        raise Invalid("a part without saying which")
    total = given.length
    wanted = stop if total is None else min(total, total if stop is None else stop)
    if given.start != start or (wanted is not None and given.stop != wanted):
        raise Invalid("another part than was asked for")
    length = given.stop - given.start
    announced = _content_length(headers)
    if announced is not None and announced != length:
        raise Invalid("a part whose length contradicts its range")
    return Extent(start, length, total, strong_validator(headers), ranges=True)


def is_another_file(headers: Mapping[str, str], validator: str | None) -> bool:
    """Tell whether a 206 answer shows that its server ignored an If-Range that does not hold, as Azure's storage does."""
    if validator is None:
        return False
    current = headers.get("ETag" if validator.startswith('"') else "Last-Modified")
    return current is not None and current != validator


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """Choose what `If-Range` takes: a strong ETag, else the date of the last change, else nothing."""
    etag = printable(headers.get("ETag"))
    if etag is not None and etag.startswith('"'):
        return etag
    return printable(headers.get("Last-Modified"))


def printable(value: str | None) -> str | None:
    """Give a header's value if it may be sent back, None otherwise."""
    return value if value and value.isascii() and value.isprintable() else None


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length")
    return int(value) if value is not None and value.isascii() and value.isdigit() else None
