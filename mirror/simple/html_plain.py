"""Reads the anchors of a plain HTML document without building its tree, which of 700,000 names would take a gigabyte.

Most indexes are nothing but `<a …>…</a><br>` between a head and a foot. What is the least bit different is not plain:
other tags, letters that are not ASCII, character references but the five common ones, quotes that are missing. A test holds
this way and the tree to the same answer. For pages that a tree can be built of it is no faster.
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
_ANCHOR = re.compile(r'<a((?:[^"<>]++|"[^"]*+")++)>([^<>]*+)</a>')
_meant = lru_cache(maxsize=1024)(unescape)
"""The same requirements come again and again."""
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
    for found in _ANCHOR.finditer(text):
        written, shown = found.groups()
        pairs = _ATTRIBUTE.findall(written)
        attributes = dict(pairs)
        if len(attributes) < len(pairs):
            attributes = dict(reversed(pairs))  # the first of a name counts
        if "&" in written:
            for name, value in attributes.items():
                if "&" in value:
                    attributes[name] = _meant(value)
        yield attributes, _meant(shown) if "&" in shown else shown
