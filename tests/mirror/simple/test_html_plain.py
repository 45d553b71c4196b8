"""Plain documents are read without a tree, to the same end as with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mirror.errors import Invalid
from mirror.names import ProjectName
from mirror.simple import html_bounds, html_document, html_plain, parse
from mirror.simple.html_document import HtmlDocument

Seen = list[tuple[dict[str, str], str]]

_PLAIN_TEXTS = st.text(alphabet="ab1./-_ =;'\n", max_size=8) | st.sampled_from(
    ["&amp;", "&lt;&gt;", "&quot;", "&#39;x", "&amp;lt;", "x.whl#sha256=ab"]
)
_ODD_TEXTS = st.text(alphabet='a&;<>"\t\0é', max_size=4) | st.sampled_from(["&copy", "&ampx", "</a>", "<a "])


def _anchors(names: list[str], texts: st.SearchStrategy[str], around: list[str]) -> st.SearchStrategy[str]:
    value = st.none() | texts
    attribute = st.builds(
        lambda space, name, value: f"{space}{name}" + ("" if value is None else f'="{value}"'),
        st.sampled_from([" ", "\n", "  "]),
        st.sampled_from(names),
        value,
    )
    attributes = st.lists(attribute, max_size=4).map("".join)
    return st.builds("<a{}>{}</a>{}".format, attributes, texts, st.sampled_from(around))


_PLAIN = _anchors(
    ["href", "data-yanked", "data-size", "href"], _PLAIN_TEXTS, ["", "<br>", "<br/>", "<br />\n"]
)
_ODD = _anchors(["href", "HREF", "x1"], _PLAIN_TEXTS | _ODD_TEXTS, [" , ", "<p>", "</div>", "<br x>"])
_ANCHORS = st.lists(_PLAIN, max_size=5) | st.lists(_PLAIN | _ODD, max_size=5)
_HEADS = st.sampled_from(
    [
        "",
        "<!DOCTYPE html><html><head><title>Links for a</title></head><body><h1>Links for a</h1>\n",
        "<html><body><!-- ",
        "<html><body><!-- <a -->",
        "<html><body><script>",
        "<html><body><textarea>",
        "<html><body><select>",
        "<html><body><table><tr>",
        "<html><body><svg>",
        "<html><body><pre>",
        "<html><body><a href='x'>",
        '<html><body><p title="',
        "<html><frameset>",
        "<html><head><base href='/x/'><noscript>",
    ]
)
_FEET = st.sampled_from(
    [
        "",
        "</body></html>",
        "\n</body>\n</html>\n",
        " --></body></html>",
        "</script></html>",
        "<a href='",
        "</a>",
    ]
)


def _by_tree(body: bytes) -> Seen:
    nodes = LexborHTMLParser(body).tags("a")
    return [({name: value or "" for name, value in node.attributes.items()}, node.text()) for node in nodes]


@given(head=_HEADS, anchors=_ANCHORS, foot=_FEET)
def test_both_ways_see_the_same(head: str, anchors: list[str], foot: str) -> None:
    """Whatever the document, what is read without a tree are the anchors that a tree of all of it has."""
    body = (head + '<a href="first/">first</a>' + "".join(anchors) + foot).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_document, "LARGEST_TREE_BYTES", len(body) - 1)
        try:
            document = HtmlDocument(body)
        except Invalid:
            return
    seen = [
        ({name: value or "" for name, value in found.items()}, text) for found, text in document.anchors()
    ]
    assert seen == _by_tree(body)


def test_what_is_common_is_plain() -> None:
    """The spellings that large indexes use are read without a tree."""
    anchors = (
        '<a href="../../a/b-1.whl#sha256=ab" data-requires-python="&gt;=3.8,&lt;4" data-yanked>b-1.whl</a><br />\n'
        '<a href="b-2.whl" data-requires-python=">=3.8,<4" data-yanked="a &amp; b" >b-2.whl</a>\n'
    )
    parts = html_plain.split(f"<html><body>{anchors}</body></html>".encode())
    assert parts is not None
    assert [(dict(found), text) for found, text in html_plain.anchors(parts[1])] == [
        (
            {"href": "../../a/b-1.whl#sha256=ab", "data-requires-python": ">=3.8,<4", "data-yanked": ""},
            "b-1.whl",
        ),
        ({"href": "b-2.whl", "data-requires-python": ">=3.8,<4", "data-yanked": "a & b"}, "b-2.whl"),
    ]


def _list_of(count: int, *, around: str = "") -> bytes:
    names = "\n".join(f'<a href="/simple/p{number}/">p{number}</a>{around}' for number in range(count))
    return f"<!DOCTYPE html><html><head><title>Simple index</title></head><body>\n{names}\n</body></html>".encode()


def test_an_index_of_anchors_needs_no_tree() -> None:
    """A list as most servers write it is plain, also when it is longer than the pieces it is read in."""
    assert html_plain.split(_list_of(20_000)) is not None
    assert html_plain.split(_list_of(20_000, around="<br>")) is not None
    assert html_plain.split(_list_of(10, around="<hr>")) is None


def test_a_tree_is_made_of_what_is_small_or_not_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a plain document beyond a bound only what is around its anchors becomes a tree; the rest are read as ever."""
    treed: list[int] = []
    monkeypatch.setattr(html_bounds, "check", lambda body: treed.append(len(body)))
    for count, around, is_whole in ((100, "", True), (20_000, "", False), (20_000, "<hr>", True)):
        body = _list_of(count, around=around)
        document = HtmlDocument(body)
        assert [text for _, text in document.anchors()] == [f"p{number}" for number in range(count)]
        assert (treed.pop() == len(body)) is is_whole


def test_a_tree_is_built_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs a tree and is too large for one is refused with a sentence; what needs none is read."""
    monkeypatch.setattr(html_document, "LARGEST_TREE_BYTES", 1000)
    read = parse.project_list(_list_of(2000), media_type="text/html", url="https://feed.invalid/simple/")
    assert len(read.names) == 2000
    assert ProjectName("p1999") in read.names
    with pytest.raises(Invalid, match="very large HTML document"):
        parse.project_list(
            _list_of(2000, around="<hr>"), media_type="text/html", url="https://feed.invalid/simple/"
        )
