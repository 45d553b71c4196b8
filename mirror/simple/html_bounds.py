"""Keeps the HTML parser from work that grows faster than the document: an index is flat, and so it may be asked to be.

A tree builder walks all open elements for many a tag, opens all formatting elements again in each paragraph, and compares
each attribute with the others of its tag. So a document may leave few elements open, the fewer the larger it is, and
no tag may have very many attributes. Both are told by regular expressions that find at least what the parser will find,
in whatever state it is: every place where a tag could begin counts, also within comments, scripts and quotes.
"""

import re

from mirror.errors import Invalid

MOST_ATTRIBUTES = 256
"""Of one tag; a file of an index has ten."""
MOST_OPEN = 16
"""Elements that a document of any size may leave open, or nest beyond `LEVELS`."""
OPEN_BYTES = 1_000_000
"""A small document may leave as many open as this holds of its size: 100 of 10 KB."""
LEVELS = 16
"""Properly nested elements up to here are not counted."""

_SPACE = r"[ \t\n\f\r]"
_BREAK = r"[ \t\n\f\r/]"
_TAG_END = r"[ \t\n\f\r/>]"
_TAG = re.compile(rf"<[a-z](?:[^ \t\n\f\r/><]|<(?![a-z]))*+(?={_BREAK})".encode(), re.IGNORECASE)
"""The beginning of what could be a tag with attributes."""
_ANY_ATTRIBUTE = rf"""=?[^ \t\n\f\r/>=]*+{_SPACE}*+(?:={_SPACE}*+(?:"[^"]*+"?|'[^']*+'?|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+)?)?"""
_ATTRIBUTES = re.compile(
    rf"(?:{_BREAK}*+(?!>|\Z){_ANY_ATTRIBUTE}){{0,{MOST_ATTRIBUTES}}}({_BREAK}*+(?!>|\Z){_ANY_ATTRIBUTE})?".encode()
)
"""As many attributes as are allowed, read as the HTML standard reads them, and the one too many.

Not possessive as a whole: Python 3.11.4 and older then match the last group where nothing is left to match.
"""

_ATTRIBUTE = (
    r"""[^ \t\n\f\r/>"'=<\0]++(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+"""
    r"""(?:"(?:[^"<\0]|<(?![a-z/!?]))*+"|'(?:[^'<\0]|<(?![a-z/!?]))*+'|[^ \t\n\f\r"'=<>`\0]++))?"""
)
_TEXT = r"(?:[^<]|<(?![a-z/!?])|<!--[^<>\0]*+(?<=--)>)*+"
_LEAF = re.compile(
    rf"<([a-z][a-z0-9]*+)(?:[ \t\n\f\r/]++{_ATTRIBUTE})*+[ \t\n\f\r/]*+>{_TEXT}</\1[ \t\n\f\r]*+>".encode(),
    re.IGNORECASE,
)
"""An element with nothing but text in it, so well-formed that every reader sees it end where it does."""
_MOST_READINGS = 2
"""Tags of an index do not overlap, so that reading each of them reads no byte twice."""
_PIECE_BYTES = 128 * 1024
_PLAIN = (b"<a ", b"</a>", b"<br>", b"<br/>", b"<br />")
"""What most indexes are made of, and what leaves nothing open."""
_REMOVED = b"\0"
"""Stands where a leaf was. It may stand in a text and not in a tag, so that nothing grows together."""
_FOREIGN = re.compile(rb"<(?:svg|math)", re.IGNORECASE)
"""Inside of these nothing is void, and nothing is closed by the next of its kind."""
_LEFT_OPEN = re.compile(
    rf"<(?!(?:a|p|li|tr|td|th|br|hr|img|input|link|meta|base|col|wbr){_TAG_END})[a-z]".encode(), re.IGNORECASE
)
"""What stays open until it is closed: neither void, nor closed by the next of its kind as some of these are."""
_LEFT_OPEN_IN_FOREIGN = re.compile(rf"<(?!(?:p|li|br|hr|img|meta){_TAG_END})[a-z]".encode(), re.IGNORECASE)
"""What is left out here leaves such an element."""


def check(body: bytes) -> None:
    """See that a document costs its parser time and memory in proportion to its size.

    Raises:
        Invalid: it is no index that anybody would write.
    """
    _check_tags(body)
    most = max(MOST_OPEN, OPEN_BYTES // (len(body) + 1))
    foreign = _FOREIGN.search(body) is not None
    if not foreign and body.count(b"<") - sum(map(body.count, _PLAIN)) <= most:
        return
    left = body
    for _ in range(LEVELS):
        left, before = _without_leaves(left), len(left)
        if len(left) == before:
            break
    still_open = sum(1 for _ in (_LEFT_OPEN_IN_FOREIGN if foreign else _LEFT_OPEN).finditer(left))
    if still_open > most:
        raise Invalid(f"It is not a simple index: it leaves {still_open} elements open.")


def _check_tags(body: bytes) -> None:
    read = 0
    for tag in _TAG.finditer(body):
        found = _ATTRIBUTES.match(body, tag.end())
        if found is not None:
            if found[1] is not None:
                raise Invalid(f"It is not a simple index: a tag has more than {MOST_ATTRIBUTES} attributes.")
            read += found.end() - found.start()
        if read > _MOST_READINGS * len(body):
            raise Invalid("It is not a simple index: its tags lie within tags.")


def _without_leaves(body: bytes) -> bytes:
    # In pieces, for a regular expression keeps all other threads waiting; a leaf between two pieces is left for next time.
    pieces = (body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))
    return b"".join(_LEAF.sub(_REMOVED, piece) for piece in pieces)
