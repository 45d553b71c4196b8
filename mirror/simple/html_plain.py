"""Reads the anchors of a plain HTML document without building its tree, which of 700,000 names would take a gigabyte.

Most indexes are nothing but `<a …>…</a><br>` between a head and a foot. What is the least bit different is not plain:
other tags, letters that are not ASCII, character references but the five common ones, quotes that are missing. A test holds
this way and the tree to the same answer.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import unescape

Anchor = tuple[Mapping[str, str | None], str]
"""The attributes of an `<a>`, and its text."""

PROBE = b'<a href="probe">probe</a>'
"""Stands for all anchors in what is left of the document: where a parser finds it, it would have found them."""

_PIECE = 128 * 1024
"""Characters: a regular expression keeps all other threads waiting."""
_SAFE = b"\t\n" + bytes(range(0x20, 0x7F))
_ODD_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|#39|#x27);)")
_PLAIN = re.compile(
    r'(?:<a(?:[ \n]++[a-z-]++(?:="[^"]*+")?+){1,32}+[ \n]*+>[^<>]*+</a>|<br ?+/?+>|[ \t\n]++)*+'
)
_ANCHOR = re.compile(r'<a([^">]*+(?:"[^"]*+"[^">]*+)*+)>([^<]*+)')
_meant = lru_cache(maxsize=1024)(unescape)
"""The same requirements come again and again."""
_NAME = re.compile(r"[ \n]+([a-z-]+)=")
_ATTRIBUTE = re.compile(r'([a-z-]++)(?:="([^"]*+)")?+')


def split(body: bytes) -> tuple[bytes, str] | None:
    """Part a document into what is around its anchors, with the probe in their place, and the anchors.

    Returns:
        None when it is not plain.
    """
    start, stop = body.find(b"<a "), body.rfind(b"</a>") + len(b"</a>")
    if not 0 <= start < stop:
        return None
    middle = body[start:stop]
    if middle.translate(None, _SAFE) or _ODD_REFERENCE.search(middle):
        return None
    text = middle.decode("ascii")
    at = 0
    while at < len(text):
        found = _PLAIN.match(text, at, at + _PIECE)
        if found is None or found.end() == at:
            return None
        at = found.end()
    return body[:start] + PROBE + body[stop:], text


def anchors(text: str) -> Iterator[Anchor]:
    """Give the anchors of a text that `split` has given, in order."""
    shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
    for found in _ANCHOR.finditer(text):
        written, shown = found.groups()
        pieces = written.split('"')
        between = tuple(pieces[::2])
        names = shapes.get(between)
        if names is None:
            names = shapes[between] = _names(between)
        if names:
            values = pieces[1::2]
        else:
            names, values = _one_by_one(written)
        if "&" in written:
            values = [_meant(value) if "&" in value else value for value in values]
        yield dict(zip(names, values, strict=True)), _meant(shown) if "&" in shown else shown


def _names(between: tuple[str, ...]) -> tuple[str, ...]:
    """Read the names of attributes from what stands between their values: all anchors of an index have the same few.

    Returns:
        Nothing when one has no value, or comes twice.
    """
    named = [_NAME.fullmatch(piece) for piece in between[:-1]]
    names = tuple(found[1] for found in named if found is not None)
    return names if len(set(names)) == len(named) and not between[-1].strip(" \n") else ()


def _one_by_one(written: str) -> tuple[tuple[str, ...], list[str]]:
    """Read attributes in any spelling, by name and value; the first of a name counts."""
    attributes = dict(reversed(_ATTRIBUTE.findall(written)))
    return tuple(attributes), list(attributes.values())
