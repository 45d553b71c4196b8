"""Links of upstream pages: resolved as the RFC says, and refused where http must not follow."""

from urllib.parse import urljoin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.simple.links import Links, is_plain, last_segment

PAGE = "https://feeds.example.com/org/simple/demo/"

_segments = st.sampled_from(
    ["a", "b-1.0.whl", "..", ".", "", "%2e%2e", "x.y", ".hidden", "a:b", "c%2Fd", "e+f"]
)
_paths = st.lists(_segments, max_size=6).map("/".join)
_queries = st.sampled_from(["", "?", "?sig=a%2Bb&x=../y", "?a//b"])
_prefixes = st.sampled_from(
    ["", "/", "//other.example/", "https://other.example:8443/", "http://[::1]/", "../"]
)
_links = st.builds("{}{}{}".format, _prefixes, _paths, _queries)
_bases = st.builds(
    "https://feeds.example.com{}{}".format,
    st.sampled_from(["", "/", "/a/", "/a/b/c", "/a//b/", "/a/../b/"]),
    _queries,
)


@settings(deadline=None, database=None)
@given(base=_bases, link=_links)
def test_fast_way_agrees_with_urljoin(base: str, link: str) -> None:
    """Whatever is resolved is what `urljoin` makes of it: the fast way saves time and changes nothing."""
    resolved = Links(base).resolve(link)
    assert resolved is None or resolved == (link if is_plain(link) else urljoin(base, link))


_names = st.sampled_from(["a.whl", "b-1.0.tar.gz", "..", ".x", "c?d", "", "e+f!g", "h:1", "evil.example"])
_folders = st.sampled_from(
    ["", "/", "../", "../../", "//", "https://", "https://a.example/", "x/", "?q=/", " /", "h:", "\\/"]
)


@settings(deadline=None, database=None)
@example(["https://evil.example", "https://e+f!g"])
@given(links=st.lists(st.builds("{}{}".format, _folders, _names), max_size=8))
def test_what_was_resolved_before_changes_nothing(links: list[str]) -> None:
    """A link leads where it leads for itself, whatever others of its page are in the same folder."""
    together = Links(PAGE)
    assert [together.resolve(link) for link in links] == [Links(PAGE).resolve(link) for link in links]


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("demo-1.0.tar.gz", PAGE + "demo-1.0.tar.gz"),
        ("./demo-1.0.tar.gz", PAGE + "demo-1.0.tar.gz"),
        ("../../files/demo-1.0.tar.gz#sha256=ab", "https://feeds.example.com/org/files/demo-1.0.tar.gz"),
        ("../../../../../up", "https://feeds.example.com/up"),
        ("/files/demo", "https://feeds.example.com/files/demo"),
        ("//files.example/demo", "https://files.example/demo"),
        ("https://blobs.example/a/b?sig=x%2By%3D&se=1#egg=z", "https://blobs.example/a/b?sig=x%2By%3D&se=1"),
        ("HTTPS://blobs.example/a", "https://blobs.example/a"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
        (" \n demo with space.zip\t", PAGE + "demo%20with%20space.zip"),
        ("d\u00e9mo.zip", PAGE + "d%C3%A9mo.zip"),
        ("demo%2Bcpu.whl", PAGE + "demo%2Bcpu.whl"),
        ("demo+cpu.whl", PAGE + "demo+cpu.whl"),
    ],
)
def test_link_is_made_absolute(link: str, url: str) -> None:
    """A link is relative to the page, its query stays, its fragment goes, and what is not encoded is encoded."""
    assert Links(PAGE).resolve(link) == url


@pytest.mark.parametrize(
    "link",
    [
        "file:///etc/passwd",
        "ftp://feeds.example.com/a",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user:secret@feeds.example.com/a",
        "https://user@feeds.example.com/a",
        "https://feeds.example.com\\@other.example/a",
        "https://feeds.example.com:99999/a",
        "https://feeds.example.com:port/a",
        "https://[::1/a",
        "http:///a",
        "https://h\u00f4te.example/a",
    ],
)
def test_link_that_http_must_not_follow_is_refused(link: str) -> None:
    """No other scheme, no userinfo, no host that two readers could understand in two ways."""
    assert Links(PAGE).resolve(link) is None


@pytest.mark.parametrize("base", ["file:///srv/", "https://user:secret@feeds.example.com/", "javascript:x/"])
def test_base_that_http_must_not_follow_leads_nowhere(base: str) -> None:
    """A relative link is refused when what it is relative to would be."""
    assert Links(base).resolve("demo-1.0.tar.gz") is None


@pytest.mark.parametrize(
    ("link", "segment"),
    [
        ("../a/demo-1.0%2Bcpu.whl?sig=/x#sha256=/y", "demo-1.0+cpu.whl"),
        ("a/%252e", "%2e"),
        ("a/", ""),
        ("demo", "demo"),
    ],
)
def test_last_segment_is_decoded_once(link: str, segment: str) -> None:
    """The last segment is that of the path, and what was encoded twice is still encoded."""
    assert last_segment(link) == segment
