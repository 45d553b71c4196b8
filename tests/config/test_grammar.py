"""The grammar of single values, table by table."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config import grammar


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("blobs.example.com", "blobs.example.com"),
        ("Blobs.Example.com:8443", "blobs.example.com:8443"),
        ("10.0.0.7", "10.0.0.7"),
        ("[::1]:8080", "[::1]:8080"),
        ("[FD00::7]", "[fd00::7]"),
        ("*", "*"),
    ],
)
def test_file_hosts_that_are_right(raw: str, normal: str) -> None:
    """A host, with a port or without, an IPv6 address in brackets and the star are taken, in lower case."""
    assert grammar.file_host(raw) == normal


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "https://a.example",
        "a.example/path",
        "*.example.com",
        "a.example:0",
        "a.example:65536",
        "a.example:x",
        "::1",
        "u@a.example",
        "a b",
        "[::1",
        "a.example:",
        "a.example\n",
    ],
)
def test_file_hosts_that_are_wrong(raw: str) -> None:
    """Whatever is a URL, a pattern, a bare IPv6 address or holds a blank is refused."""
    with pytest.raises(ValueError, match="must be host"):
        grammar.file_host(raw)


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("https://feeds.example.com/org/simple", "https://feeds.example.com/org/simple/"),
        ("https://feeds.example.com/org/simple//", "https://feeds.example.com/org/simple/"),
        ("HTTPS://Feeds.Example.com/Org/", "https://feeds.example.com/Org/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ],
)
def test_index_urls_end_with_one_slash(raw: str, normal: str) -> None:
    """An index's URL ends with one slash; scheme and host are folded, the path is not."""
    assert grammar.index_url(raw) == normal


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "feeds.example.com",
        "file:///srv",
        "ftp://a.example/",
        "https://",
        "https:///simple",
        "https://a.example:x/",
        "https://a.example:0/",
        "https://a.exa mple/",
        "https://a.example/\n",
        "https://a.example\\b/",
        "//a.example/",
        "https://u@a.example/",
        "https://:p@a.example/",
        "https://@a.example/",
        "https://a.example/?",
        "https://a.example/#",
    ],
)
def test_base_urls_that_are_wrong(raw: str) -> None:
    """Only http and https URLs with a host, and without userinfo, query and fragment, are taken."""
    with pytest.raises(ValueError, match=r"\Amust "):
        grammar.base_url(raw)


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("file:./wheelkeep-data", "wheelkeep-data"),
        ("file:/srv/packages", "/srv/packages"),
        ("file:///srv/packages", "/srv/packages"),
        ("file:/srv/my%20packages", "/srv/my packages"),
    ],
)
def test_the_directory_of_a_store(url: str, directory: str) -> None:
    """A file URL names a relative or an absolute directory, percent-decoded."""
    assert grammar.store_directory(url) == Path(directory)


@pytest.mark.parametrize(
    "url", ["", "file:", "file://", "file://host/srv", "./data", "azblob://packages", "file:a%00b"]
)
def test_stores_that_are_wrong(url: str) -> None:
    """Another scheme, a host, or no directory at all is refused."""
    with pytest.raises(ValueError, match=r"\Amust "):
        grammar.store_url(url)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/org", "https://A.example:443/org/", True),
        ("http://a.example", "http://a.example:80/", True),
        ("https://a.example/org", "https://a.example/organisation", False),
        ("https://a.example/org", "http://a.example/org", False),
        ("https://a.example/org", "https://a.example:8443/org", False),
    ],
)
def test_targets_are_compared_by_what_they_match(one: str, other: str, *, same: bool) -> None:
    """Two targets are one when scheme, host, port and whole path segments are."""
    assert (grammar.target_key(one) == grammar.target_key(other)) is same


@pytest.mark.parametrize("raw", sorted(grammar.RESERVED_INDEX_NAMES))
def test_an_index_cannot_hide_our_own_paths(raw: str) -> None:
    """No index takes a name that wheelkeep serves itself."""
    with pytest.raises(ValueError, match=f"'{raw}'"):
        grammar.index_name(raw)


@pytest.mark.parametrize("raw", ["", "-a", "_a", "A", "a b", "ä", "a" * 64, "a\n"])
def test_names_that_are_wrong(raw: str) -> None:
    """A name is lower case, begins with a letter or digit and has at most 63 characters."""
    with pytest.raises(ValueError, match="must be 1 to 63"):
        grammar.name(raw)


def test_an_origin_has_the_port_that_its_scheme_implies() -> None:
    """The port that a scheme implies and the same port written out are one."""
    assert grammar.origin_of(urlsplit("https://A.example/")) == ("https", "a.example", 443)
