"""Which index the machine's own configuration names."""

import os
from pathlib import Path
from urllib.parse import SplitResult

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from config import machine
from config.errors import ConfigurationError
from config.machine import Machine, default_index


def nobody(_url: SplitResult) -> bool:
    """Say that no URL is our own."""
    return False


PIP_ENV = {"PIP_INDEX_URL": "https://pip-env.example/simple"}
UV_ENV = {"UV_DEFAULT_INDEX": "https://uv-env.example/simple"}
UV_OLD = {"UV_INDEX_URL": "https://uv-old.example/simple"}
PIP_CONF = ("/etc/pip.conf", "[global]\nindex-url = https://pip-conf.example/simple\n")
UV_TOML = (
    "/etc/uv/uv.toml",
    '[[index]]\nurl = "https://no.example/"\n[[index]]\nurl = "https://uv.example/"\ndefault = true\n',
)


@pytest.mark.parametrize(
    ("said", "url", "origin"),
    [
        (
            Machine(PIP_ENV | UV_ENV, (PIP_CONF,), (UV_TOML,)),
            "https://pip-env.example/simple/",
            "PIP_INDEX_URL",
        ),
        (
            Machine(UV_ENV | UV_OLD, (PIP_CONF,), (UV_TOML,)),
            "https://pip-conf.example/simple/",
            "/etc/pip.conf",
        ),
        (Machine(UV_ENV | UV_OLD, (), (UV_TOML,)), "https://uv-env.example/simple/", "UV_DEFAULT_INDEX"),
        (Machine(UV_OLD, (), (UV_TOML,)), "https://uv-old.example/simple/", "UV_INDEX_URL"),
        (Machine({}, (), (UV_TOML,)), "https://uv.example/", "/etc/uv/uv.toml"),
        (Machine({}), PYPI_SIMPLE_ENDPOINT.rstrip("/") + "/", "pypi_simple"),
    ],
)
def test_the_order(said: Machine, url: str, origin: str) -> None:
    """The variable of pip, pip's files, uv's variables, uv's files, the constant: the first that names an index wins."""
    found = default_index(said, nobody)
    assert (found.url, found.origin, found.has_userinfo) == (url, origin, False)


def test_uv_names_its_index_in_several_ways() -> None:
    """`index-url` of uv.toml counts below its default index, and a variable may give the index a name."""
    named = Machine({"UV_DEFAULT_INDEX": "corp=https://uv-env.example/simple"})
    assert default_index(named, nobody).url == "https://uv-env.example/simple/"
    plain = Machine({}, (), (("uv.toml", 'index-url = "https://plain.example/"\n'),))
    assert default_index(plain, nobody).url == "https://plain.example/"


def test_the_strongest_of_pips_files_wins() -> None:
    """The first file of the list that names an index wins, and in all of them [install] stands above [global]."""
    strong = ("a", "[global]\nindex_url = https://strong.example/\n")
    weak = ("b", "[global]\nindex-url = https://weak.example/\n")
    install = (
        "c",
        "[install]\nINDEX-URL = https://install.example/\n[download]\nindex-url = https://no.example/\n",
    )
    assert default_index(Machine({}, (strong, weak)), nobody).url == "https://strong.example/"
    assert default_index(Machine({}, (strong, weak, install)), nobody).url == "https://install.example/"
    assert (
        default_index(Machine({}, (("a", "[global]\ntimeout = 5\n"), weak)), nobody).url
        == "https://weak.example/"
    )


@pytest.mark.parametrize("raw", ["file:///srv/simple", "/srv/simple", "", "  "])
def test_what_is_no_http_index_is_passed_over(raw: str) -> None:
    """A directory that pip uses as its index, or an empty value, leaves the choice to the next."""
    assert default_index(Machine({"PIP_INDEX_URL": raw}, (PIP_CONF,)), nobody).origin == "/etc/pip.conf"


def test_our_own_url_is_passed_over() -> None:
    """A machine whose pip already uses this wheelkeep does not make it its own upstream."""
    found = default_index(Machine(PIP_ENV, (PIP_CONF,)), lambda url: url.hostname == "pip-env.example")
    assert found.url == "https://pip-conf.example/simple/"


def test_userinfo_is_decoded_and_hidden() -> None:
    """Credentials in the URL are taken out of it, decoded, and shown by nothing."""
    found = default_index(
        Machine({"PIP_INDEX_URL": "https://me%40corp:p%2Fw@feeds.example.com:8443/a/simple"}), nobody
    )
    assert found.url == "https://feeds.example.com:8443/a/simple/"
    assert found.target == "https://feeds.example.com:8443/"
    assert (found.username, found.password, found.has_userinfo) == ("me@corp", "p/w", True)
    assert "p/w" not in repr(found)
    assert "p%2Fw" not in repr(found)


@pytest.mark.parametrize(
    "said",
    [
        Machine({"PIP_INDEX_URL": "https://u:hunter2@/simple"}),
        Machine({"PIP_INDEX_URL": "https://u:hunter2@a.example/?sig=hunter2"}),
        Machine({}, (("pip.conf", "index-url = https://u:hunter2@a.example/\n"),)),
        Machine({}, (), (("uv.toml", "index-url = https://u:hunter2@a.example/\n"),)),
    ],
)
def test_what_cannot_be_understood_is_an_error(said: Machine) -> None:
    """Nothing is guessed in place of a broken file or URL, and the sentence does not repeat it."""
    with pytest.raises(
        ConfigurationError, match="configure an \\[\\[upstreams\\]\\] named 'public'"
    ) as caught:
        default_index(said, nobody)
    assert "hunter2" not in str(caught.value)


def test_where_pip_looks(tmp_path: Path) -> None:
    """PIP_CONFIG_FILE, site, user and global, in pip's order; a named file that exists silences the user's."""
    named = tmp_path / "named.conf"
    home, prefix = Path("/home/me"), Path("/venv")
    environ = {"XDG_CONFIG_DIRS": "/x:/y", "PIP_CONFIG_FILE": str(named)}
    user = [home / ".config/pip/pip.conf", home / ".pip/pip.conf"]
    shared = [Path("/etc/pip.conf"), Path("/y/pip/pip.conf"), Path("/x/pip/pip.conf")]
    listed = machine.pip_paths(environ, home=home, prefix=prefix, platform="linux")
    assert listed == [named, prefix / "pip.conf", *user, *shared]
    named.touch()
    listed = machine.pip_paths(environ, home=home, prefix=prefix, platform="linux")
    assert listed == [named, prefix / "pip.conf", *shared]
    assert (
        machine.pip_paths({"PIP_CONFIG_FILE": os.devnull}, home=home, prefix=prefix, platform="linux") == []
    )


def test_where_uv_looks(tmp_path: Path) -> None:
    """The user's file stands above the system's, of which only the first counts; variables silence them."""
    for name in ("x", "y"):
        (tmp_path / name / "uv").mkdir(parents=True)
        (tmp_path / name / "uv" / "uv.toml").touch()
    environ = {
        "XDG_CONFIG_DIRS": f"{tmp_path}/none:{tmp_path}/x:{tmp_path}/y",
        "XDG_CONFIG_HOME": "/home/me/conf",
    }
    assert machine.uv_paths(environ, home=Path("/home/me")) == [
        Path("/home/me/conf/uv/uv.toml"),
        tmp_path / "x/uv/uv.toml",
    ]
    assert machine.uv_paths(environ | {"UV_CONFIG_FILE": "/u.toml"}, home=Path("/home/me")) == [
        Path("/u.toml")
    ]
    assert machine.uv_paths(environ | {"UV_NO_CONFIG": "1"}, home=Path("/home/me")) == []


def test_files_are_read_and_missing_ones_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader finds the files of this machine; those that are not there are silent."""
    named = tmp_path / "named.conf"
    named.write_text("[global]\nindex-url = https://named.example/\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(named))
    assert machine.read().pip_files[0] == (str(named), named.read_text(encoding="utf-8"))
    named.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"named.conf is not UTF-8"):
        machine.read()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.7", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, *, loopback: bool) -> None:
    """The name and every address of the loopback are known, and nothing else."""
    assert machine.is_loopback(host) is loopback
