"""An HTML document that was proven whole: its anchors, its metas, its headings and what its links are relative to.

An HTML parser takes a cut document for a whole one. So a comment is put behind the last byte, and where the parser finds
it tells in which state the document ended: nowhere when a tag, a comment or a title was cut; inside an anchor when that
was cut; behind the document's root only when `</html>` was there and nothing but white space and comments came after it.

A document that never opens `<html>` need not close it. Between two of its anchors it may end unnoticed here, so that whoever
fetched it has to know that all its bytes came.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mirror.errors import Invalid
from mirror.simple import html_bounds, html_plain
from mirror.simple.html_plain import Anchor
from mirror.simple.links import Links

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_END = "the end"
_OPENING_TAG = re.compile(rb"<[hH][tT][mM][lL][\s>/]")
_CUT = "It is cut off"
_PROBE = html_plain.PROBE.decode()
_NOT_PLAIN = "It is a very large HTML document, which has to be plain: nothing but links between its head and its foot."
SMALL_BYTES = 64 * 1024
"""Of a document up to here a tree is made at once; of a larger one it is tried to do without, which is twice as fast."""
LARGEST_TREE_BYTES = 8 * 1024 * 1024
"""A tree takes 17 times the memory of its document, so what is larger has to be plain."""


class HtmlDocument:
    """A whole HTML document (PEP 503), read as UTF-8. Of a plain one only what is around its anchors becomes a tree.

    Raises:
        Invalid: it is cut off, or would cost its parser more than a document of its size should.
    """

    def __init__(self, body: bytes) -> None:
        self._plain: str | None = None
        parted = _parted(body) if len(body) > min(SMALL_BYTES, LARGEST_TREE_BYTES) else None
        if parted is not None:
            body, self._plain, self._parser = parted
        elif len(body) > LARGEST_TREE_BYTES:
            raise Invalid(_NOT_PLAIN)
        else:
            self._parser = _tree(body)
        self._check_end(is_opened=_OPENING_TAG.search(body) is not None)

    def anchors(self) -> Iterator[Anchor]:
        """Give every `<a>`, in order."""
        if self._plain is not None:
            return html_plain.anchors(self._plain)
        return ((node.attributes, node.text()) for node in self._parser.tags("a"))

    def metas(self) -> dict[str, str]:
        """Give the content of every `<meta name=…>`; the first of a name counts."""
        found: dict[str, str] = {}
        for node in self._parser.tags("meta"):
            name = node.attributes.get("name")
            if name:
                found.setdefault(name.lower(), node.attributes.get("content") or "")
        return found

    def headings(self) -> Iterator[str]:
        """Give the texts of the title and of the headings of the first order."""
        for tag in ("title", "h1"):
            for node in self._parser.tags(tag):
                yield node.text().strip()

    def links(self, url: str) -> Links:
        """Give what resolves the document's links, by its first `<base href>` where it has one.

        Args:
            url: where the document came from.

        Raises:
            Invalid: its base is no URL.
        """
        bases = (node.attributes.get("href") for node in self._parser.tags("base"))
        base = next((href for href in bases if href is not None), "")
        try:
            return Links(urljoin(url, base.strip()))
        except ValueError as error:
            raise Invalid("Its base, which its links are relative to, is not a URL.") from error

    def _check_end(self, *, is_opened: bool) -> None:
        node = self._parser.root
        if node is None:
            raise Invalid("It is empty.")
        while node.next is not None:
            node = node.next
        if _is_end(node):
            return
        if is_opened:
            raise Invalid(f"{_CUT}: it does not end with </html>.")
        is_in_anchor = False
        while node.last_child is not None:
            is_in_anchor = is_in_anchor or node.tag == "a"
            node = node.last_child
        if is_in_anchor or not _is_end(node):
            raise Invalid(f"{_CUT}: its last tag is not whole.")


def _tree(body: bytes) -> LexborHTMLParser:
    html_bounds.check(body)
    return LexborHTMLParser(body.removeprefix(_BYTE_ORDER_MARK) + f"<!--{_END}-->".encode())


def _parted(body: bytes) -> tuple[bytes, str, LexborHTMLParser] | None:
    """Give what is around the anchors of a plain document, the anchors, and the tree of the former; None when it is not plain."""
    parts = html_plain.split(body)
    if parts is None or len(parts[0]) > LARGEST_TREE_BYTES:
        return None
    around, text = parts
    tree = _tree(around)
    return (around, text, tree) if [node.html for node in tree.tags("a")] == [_PROBE] else None


def _is_end(node: LexborNode) -> bool:
    return node.is_comment_node and node.comment_content == _END
