"""Credentials go to the URLs under their target, to the longest one, and nowhere else."""

import base64
import pickle
import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mirror.errors import Invalid
from mirror.upstream.credentials import Connection, Connections, authorization


def _connection(target: str, name: str = "feed-pat", **fields: object) -> Connection:
    values: dict[str, object] = {"auth_type": "PAT", "secret": lambda: "t0ken", "category": "PythonFeed"}
    return Connection(name=name, target=URL(target), **(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "url", "matches"),
    [
        ("https://feeds.example.com/org", "https://feeds.example.com/org", True),
        ("https://feeds.example.com/org/", "https://feeds.example.com/org", True),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/feed/simple/", True),
        ("https://feeds.example.com", "https://feeds.example.com/anything", True),
        ("https://feeds.example.com/org", "https://feeds.example.com/organisation/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/Org/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/", False),
        ("https://feeds.example.com/org", "http://feeds.example.com/org/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com:8443/org/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com:443/org/", True),
        ("https://feeds.example.com:443/org", "https://FEEDS.example.com/org/", True),
        ("https://feeds.example.com/org", "https://feeds.example.com.evil.invalid/org/", False),
        ("https://feeds.example.com/org", "https://evil-feeds.example.com/org/", False),
        ("https://bücher.example/org", "https://xn--bcher-kva.example/org/x", True),
        ("http://[::1]:8080/a", "http://[0:0:0:0:0:0:0:1]:8080/a/b", True),
        ("https://feeds.example.com/a b", "https://feeds.example.com/a%20b/x", True),
        ("https://feeds.example.com/%6Frg", "https://feeds.example.com/org/x", True),
        ("https://feeds.example.com/org", "https://feeds.example.com/%6f%72%67/x", True),
        ("https://feeds.example.com/org", "https://feeds.example.com//org/x", False),
        ("https://feeds.example.com/a%2Fb", "https://feeds.example.com/a%2fb/x", True),
        ("https://feeds.example.com/a", "https://feeds.example.com/a%2Fb/x", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/../other/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/%2e%2e/other/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/%252E%252e/other/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/x%2F..%2F..%2Fother/", False),
        ("https://feeds.example.com/org", "https://feeds.example.com/org/..%5Cother/", False),
    ],
)
def test_a_target_matches_by_origin_and_whole_segments(target: str, url: str, *, matches: bool) -> None:
    """Scheme, host, port and whole path segments decide; a path that could be read as another one gets nothing."""
    chosen = Connections([_connection(target)]).choose(URL(url, encoded="%" in url or ".." in url))
    assert (chosen is not None) is matches


def test_the_longest_target_wins() -> None:
    """Of two targets that match the more special one is chosen, in whatever order they stand."""
    wide, narrow = (
        _connection("https://feeds.example.com/org", "wide"),
        _connection("https://feeds.example.com/org/team", "narrow"),
    )
    for order in ([wide, narrow], [narrow, wide]):
        connections = Connections(order)
        assert connections.choose(URL("https://feeds.example.com/org/team/x/")) is narrow
        assert connections.choose(URL("https://feeds.example.com/org/other/")) is wide


@pytest.mark.parametrize("other", ["https://feeds.example.com/org/", "https://FEEDS.example.com:443/%6Frg"])
def test_two_connections_with_one_target_are_refused(other: str) -> None:
    """Which of the two would win is not left to chance, however the target is spelt: both are named."""
    with pytest.raises(Invalid, match=r"'one' and 'two' have one target"):
        Connections([_connection("https://feeds.example.com/org", "one"), _connection(other, "two")])


_path = st.lists(
    st.sampled_from(["org", "..", ".", "%2e", "%252e", "/", "%2F", "%5c", "\\", "x", "", "%", "o%72g"]),
    max_size=9,
).map("".join)


@given(_path)
def test_no_path_leads_out_of_the_target(path: str) -> None:
    """A server that decodes as often as it likes, takes backslashes for slashes and resolves dots stays under the target."""
    url = URL(f"https://feeds.example.com/{path}", encoded=True)
    if Connections([_connection("https://feeds.example.com/org")]).choose(url) is None:
        return
    read = url.raw_path
    for _ in range(4):
        read = unquote(read).replace("\\", "/")
    assert posixpath.normpath(read).split("/")[:2] == ["", "org"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"auth_type": "PAT"}, "Basic " + base64.b64encode(b"wheelkeep:t0ken").decode()),
        ({"auth_type": "PAT", "username": "me"}, "Basic " + base64.b64encode(b"me:t0ken").decode()),
        (
            {"auth_type": "Basic", "username": "me", "secret": lambda: "pä:ss"},
            "Basic " + base64.b64encode("me:pä:ss".encode()).decode(),
        ),
        ({"auth_type": "Bearer"}, "Bearer t0ken"),
        ({"auth_type": "None", "secret": None}, None),
    ],
)
def test_each_auth_type_makes_its_header(fields: dict[str, object], expected: str | None) -> None:
    """A PAT goes as a password under a user name that is not empty, UTF-8 throughout; None sends nothing."""
    assert authorization(_connection("https://feeds.example.com/", "feed-pat", **fields)) == expected


def test_a_bearer_token_cannot_smuggle_a_header() -> None:
    """A secret with a line break in it is refused as a bearer token, without being shown."""
    connection = _connection(
        "https://feeds.example.com/", auth_type="Bearer", secret=lambda: "a\r\nX: hidden"
    )
    with pytest.raises(Invalid) as caught:
        authorization(connection)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        ("ftp://feeds.example.com/", {}, "must begin with http"),
        ("https:///org", {}, "name a host"),
        ("https://me:hidden@feeds.example.com/", {}, "without user"),
        ("https://feeds.example.com/?sig=hidden", {}, "without user"),
        ("https://feeds.example.com/a/%2e%2e/b", {}, "in its path"),
        ("https://feeds.example.com/", {"secret": None}, "needs a secret"),
        ("https://feeds.example.com/", {"auth_type": "Basic"}, "needs a user name"),
        ("https://feeds.example.com/", {"auth_type": "Basic", "username": "a:b"}, "without a colon"),
    ],
)
def test_a_connection_that_cannot_work_is_refused(target: str, fields: dict[str, object], words: str) -> None:
    """Fields that do not go together are refused with the connection's name and without what may be secret."""
    with pytest.raises(Invalid, match=words) as caught:
        Connection(
            "feed-pat",
            "PythonFeed",
            URL(target, encoded=True),
            **{"auth_type": "PAT", "secret": lambda: "t0ken", **fields},  # type: ignore[arg-type]
        )
    assert "'feed-pat'" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    """Neither the connection nor anything reachable by its repr says the secret, and it cannot be pickled along."""
    connection = _connection("https://feeds.example.com/org")
    assert "t0ken" not in repr(connection)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(connection)
