"""What is filled in where the operator said nothing."""

from urllib.parse import urlsplit

import pytest

from config.defaults import is_own
from config.errors import ConfigurationError
from config.loading import load
from config.settings import Server, Settings
from tests.config.conftest import Write

FEED = "[[upstreams]]\nname = 'feed'\nurl = 'https://feeds.example.com/simple/'\n"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  (nothing is bound)
PUBLIC = "https://me:hunter2@index.example/simple"


def test_without_upstreams_the_public_index_is_behind_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no configuration, `default` is what is published here and then the machine's public index."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    settings = load()
    assert [(each.name, each.sources) for each in settings.indexes] == [("default", ("private", "public"))]
    assert [(each.name, each.url, each.file_hosts) for each in settings.upstreams] == [
        ("public", "https://index.example/simple/", ("*",))
    ]
    assert settings.connections == ()


def test_configured_upstreams_take_the_place_of_the_public_index(write: Write) -> None:
    """With upstreams and no indexes, `default` is `private` and the upstreams in order; the public index is not asked."""
    write(FEED + FEED.replace("feed'", "second'"))
    settings = load()
    assert settings.indexes[0].sources == ("private", "feed", "second")
    assert [each.name for each in settings.upstreams] == ["feed", "second"]


def test_an_index_may_name_the_public_index(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that lists `public` gets the built-in upstream beside the configured ones."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    write(FEED + "[[indexes]]\nname = 'default'\nsources = ['feed', 'public']\n")
    assert [each.name for each in load().upstreams] == ["feed", "public"]


def test_an_upstream_named_public_replaces_the_built_in_one(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's own `public` is taken as it is, and the machine's configuration is not even read."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://broken:port/")
    write(FEED.replace("feed'", "public'") + "[[indexes]]\nname = 'default'\nsources = ['public']\n")
    settings = load()
    assert [(each.url, each.file_hosts) for each in settings.upstreams] == [
        ("https://feeds.example.com/simple/", ())
    ]


def test_userinfo_becomes_a_connection_that_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the machine's index URL become a Basic connection for that host, and nothing shows them."""
    monkeypatch.setenv("PIP_INDEX_URL", PUBLIC)
    settings = load()
    connection = settings.connections[0]
    assert (connection.name, connection.target) == ("public (from PIP_INDEX_URL)", "https://index.example/")
    assert (connection.auth_type, connection.username) == ("Basic", "me")
    secret = connection.secret()
    assert secret is not None
    assert secret.read() == "hunter2"
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(secret)):
        assert "hunter2" not in shown


def test_a_user_without_a_password_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the place of the user name is told to move into a connection, in one sentence that does not show it."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://hunter2@index.example/simple")
    with pytest.raises(ConfigurationError, match="PIP_INDEX_URL has a user name and no password") as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_a_configured_connection_wins_over_userinfo(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured connection with the same target is the one that is used."""
    monkeypatch.setenv("PIP_INDEX_URL", PUBLIC)
    write(
        "[[connections]]\nname = 'mine'\ncategory = 'PythonFeed'\ntarget = 'https://index.example'\n"
        "auth_type = 'Bearer'\nsecret_file = 'token'\n"
    )
    assert [each.name for each in load().connections] == ["mine"]


@pytest.mark.parametrize(
    ("server", "url", "own"),
    [
        (Server(), "http://127.0.0.1:8080/simple/", True),
        (Server(), "http://localhost:8080/simple/", True),
        (Server(), "http://127.0.0.1:9090/simple/", False),
        (Server(), "http://mirror.example:8080/simple/", False),
        (Server(host=EVERY_ADDRESS), "http://build-host:8080/simple/", True),
        (Server(host=EVERY_ADDRESS), "http://localhost:8080/simple/", True),
        (Server(host=EVERY_ADDRESS), "http://mirror.example:8080/simple/", False),
        (Server(host="::", port=80), "http://build-host/simple/", True),
        (Server(host="mirror.example"), "http://Mirror.example:8080/simple/", True),
        (Server(public_url="https://mirror.example/"), "https://mirror.example:443/simple/", True),
        (Server(public_url="https://mirror.example/"), "https://other.example/simple/", False),
    ],
)
def test_our_own_address_is_recognised(server: Server, url: str, *, own: bool) -> None:
    """Listening address, the machine's names where every address is bound, and the public URL are ours."""
    assert is_own(Settings(server=server), urlsplit(url), frozenset({"build-host"})) is own


def test_a_pip_that_points_here_does_not_make_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pip pointed at this wheelkeep, and at the port given on the command line, the next index is used."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://localhost:9999/simple/")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple/")
    assert load(port=9999).upstreams[0].url == "https://index.example/simple/"
    assert load(port=9998).upstreams[0].url == "http://localhost:9999/simple/"
