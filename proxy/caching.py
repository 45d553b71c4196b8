"""What a conditional or a partial request gets: RFC 9110 sections 13 and 14, decided on plain values.

It promises that two different representations are never glued together: a range is honoured under `If-Range` only when
the validator is strong and the very same. What it cannot read it ignores, as the RFC asks, and the whole is answered.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from werkzeug.http import parse_date, parse_etags

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]*)-([0-9]*)\s*\Z", re.IGNORECASE)
_BEYOND_ANY_FILE = "9" * 18


class Verdict(Enum):
    """What to answer when it is not a part."""

    WHOLE = auto()
    """200 with all of it."""
    NOT_MODIFIED = auto()
    """304: the client has it already."""
    FAILED = auto()
    """412: a precondition does not hold."""
    UNSATISFIABLE = auto()
    """416: the range lies outside."""


class Span(NamedTuple):
    """A part to answer with 206: bytes [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The header fields of a GET or HEAD that may change its answer, as they came; None where one is absent."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None
    if_range: str | None = None
    range: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The representation that would be answered."""

    etag: str
    """A strong entity tag, in its quotes."""
    size: int
    """Bytes."""
    modified: int | None = None
    """Unix seconds of its Last-Modified; None when it has none."""


def decide(asked: Asked, selected: Selected, *, head: bool = False) -> Verdict | Span:
    """Decide in the order of RFC 9110 section 13.2.2; a HEAD knows no range (section 14.2)."""
    verdict = precondition(asked, selected.etag, selected.modified)
    if verdict is not Verdict.WHOLE or head or asked.range is None:
        return verdict
    if asked.if_range is not None and not same(asked.if_range, selected.etag, selected.modified):
        return Verdict.WHOLE
    return span(asked.range, selected.size)


def precondition(asked: Asked, etag: str, modified: int | None = None) -> Verdict:
    """Evaluate If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since (RFC 9110 section 13.1).

    Returns:
        `WHOLE` when nothing stands against answering, else `NOT_MODIFIED` or `FAILED`.
    """
    if asked.if_match is not None:
        if not matches(asked.if_match, etag, weak=False):
            return Verdict.FAILED
    elif _changed_since(asked.if_unmodified_since, modified) is True:
        return Verdict.FAILED
    if asked.if_none_match is not None:
        return Verdict.NOT_MODIFIED if matches(asked.if_none_match, etag) else Verdict.WHOLE
    if _changed_since(asked.if_modified_since, modified) is False:
        return Verdict.NOT_MODIFIED
    return Verdict.WHOLE


def matches(field: str, etag: str, *, weak: bool = True) -> bool:
    """Tell whether a list of entity tags, or `*`, names `etag`, by weak or by strong comparison (section 8.8.3.2)."""
    if field == etag:
        return True
    tags = parse_etags(field)
    opaque = etag.strip('"')
    return tags.star_tag or (tags.contains_weak(opaque) if weak else tags.contains(opaque))


def same(if_range: str, etag: str, modified: int | None) -> bool:
    """Tell whether an `If-Range` validator names this very representation (section 13.1.5).

    A weak tag never does. A date does only when it is the exact Last-Modified; the caller gives `modified` only for
    files whose bytes do not change under their name, which makes the date a strong validator.
    """
    field = if_range.strip()
    if field.startswith(('"', "W/")):
        return field == etag
    return modified is not None and _seconds(field) == modified


def span(field: str, size: int) -> Verdict | Span:
    """Read a Range of a representation of `size` bytes (section 14.1.2): `bytes=a-b`, `bytes=a-` or `bytes=-n`.

    Other units, several ranges and what is malformed are ignored, which section 14.2 allows: `WHOLE`.
    """
    found = _ONE_RANGE.match(field)
    if found is None:
        return Verdict.WHOLE
    first, last = found.groups()
    if first:
        start = _number(first)
        stop = min(_number(last) + 1, size) if last else size
        if last and _number(last) < start:
            return Verdict.WHOLE
        return Span(start, stop) if start < size else Verdict.UNSATISFIABLE
    if not last:
        return Verdict.WHOLE
    length = _number(last)
    if length == 0:
        return Verdict.UNSATISFIABLE
    return Span(max(size - length, 0), size) if size else Verdict.WHOLE


def _number(digits: str) -> int:
    """Read a number that a client may have made endless: beyond any file's size it need not be exact."""
    significant = digits.lstrip("0")
    return int(_BEYOND_ANY_FILE if len(significant) > len(_BEYOND_ANY_FILE) else significant or "0")


def _changed_since(field: str | None, modified: int | None) -> bool | None:
    """Tell whether the representation is newer than a date; None when either is not known."""
    if field is None or modified is None:
        return None
    seconds = _seconds(field)
    return None if seconds is None else modified > seconds


def _seconds(field: str) -> int | None:
    """Read an HTTP date (section 5.6.7) as Unix seconds; None when it is none."""
    try:
        moment = parse_date(field)
        return None if moment is None else int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
