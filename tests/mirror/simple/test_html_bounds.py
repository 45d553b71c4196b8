"""What an HTML document may cost: hostile ones are refused before they are parsed, sloppy ones are read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from mirror.errors import Invalid
from mirror.names import ProjectName
from mirror.simple import html_bounds, parse

MANY = 5_000
DEMO = ProjectName("demo")
ANCHOR = '<a href="demo-1.0.tar.gz">demo-1.0.tar.gz</a>'
FOREIGN = "<svg>"


def files(body: str) -> int:
    """Read a page of the project demo, and count its files."""
    html = (
        f"<!DOCTYPE html><html><head><title>Links for demo</title></head><body>{body}</body></html>".encode()
    )
    page = parse.page(
        html, media_type="text/html", url="https://feeds.example.com/simple/demo/", project=DEMO
    )
    return len(page.files)


def each(text: str) -> str:
    """Repeat a text, with a number where it says so."""
    return "".join(text.replace("NUMBER", str(number)) for number in range(MANY))


@pytest.mark.parametrize(
    "hostile",
    [
        each("<div>"),
        each("<b xNUMBER>"),
        each("<i></x>"),
        each("<a><table>"),
        each("<dd><li>"),
        each("<DiV/>"),
        each("<b title='\"></b>'>"),
        each("<!--<b title='--><div>'></b>"),
        each("<b x=\"<i z='\" y='></i>\">T</b>'>"),
        each("<title><b></title></b><i>"),
        FOREIGN + each("<a href=x>"),
        FOREIGN + each("<th>"),
        "<div>" * MANY + "</div>" * MANY,
        "<p>" + "".join(f"<b x{number}>" for number in range(100)) + "</p>" + each("<p>x</p>"),
        "<a " + each("xNUMBER ") + "></a>",
        "<a/" + each("xNUMBER/") + "></a>",
        "<a " + each("xNUMBER='>'") + "></a>",
        "<a " + each("xNUMBER='<b>' ") + "></a>",
        "<a " + each("xNUMBER='</a>' ") + "></a>",
        each("<b/x="),
    ],
)
def test_hostile_document_is_refused(hostile: str) -> None:
    """Elements without end, tags without end and tags in tags are no index, however they are written."""
    with pytest.raises(Invalid, match=r"elements open|attributes|within tags"):
        files(f"{ANCHOR}{hostile}")


@pytest.mark.parametrize(
    "row",
    [
        "<a href='demo-NUMBER.zip'>x</a><br/>\n",
        "<a href='demo-NUMBER.zip'>x<br>\n",
        "<A HREF=demo-NUMBER.zip>x</A><BR>",
        "<li><a href='demo-NUMBER.zip'>x</a>\n",
        "<p><a href='demo-NUMBER.zip'>x</a>",
        "<a href='demo-NUMBER.zip' data-requires-python='>=3.6,<4' data-yanked>x</a> 2 < 3 <br>",
        "<div><span><a href='demo-NUMBER.zip'>x</a></span><!-- from: here --></div>",
        "<tr class=\"x\"><td><img src=x><a href = 'demo-NUMBER.zip'>x</a></td><td>3 MB</td></tr>",
    ],
)
def test_sloppy_index_is_read(row: str) -> None:
    """What real servers write, and leave out, is read however many files there are."""
    assert files(each(row)) == MANY


def test_small_document_may_be_worse() -> None:
    """A handful of files is read from whatever a hand has written."""
    assert files("".join(f"<div><b><a href='demo-{number}.zip'>x</a>" for number in range(20))) == 20


TAGS = re.findall(
    r"\S+",
    "<div> </div> <b> </b> <p> </p> <li> <dd> <table> </table> <tr> <td> </td> <th> <i> </i> <!-- --> ' \" > <br> "
    "<script> </script> <title> </title> <svg> </svg> <math> <select> <option> <template> </template> <h1> </h1> "
    "<button> <form> <object> </object> <textarea> </textarea> <nobr> <style> </style> <dt> <ul> </ul> <caption> x",
)
TOKENS = [*TAGS, "<b x1>", "<b x2>", "<a href=x>", "</a>", "<i x='", '<b y="', "<i z='\"'>", " "]


@given(
    st.lists(st.sampled_from(TOKENS), max_size=5).map("".join),
    st.lists(st.sampled_from(TOKENS), min_size=1, max_size=7).map("".join),
)
def test_what_is_admitted_does_not_nest(start: str, repeated: str) -> None:
    """However its parts are put together, a document that is admitted is flat in the eyes of its parser."""
    body = (start + repeated * 600).encode()
    try:
        html_bounds.check(body)
    except Invalid:
        return
    deepest, level = 0, [LexborHTMLParser(body).root]
    while level:
        deepest += 1
        level = [child for node in level if node is not None for child in node.iter(include_text=True)]
    assert deepest < 300
