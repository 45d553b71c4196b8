"""Where the configuration comes from, and which of its sources wins."""

import os
from pathlib import Path

import pytest

from config.errors import ConfigurationError
from config.loading import load
from tests.config.conftest import Write


def test_without_anything_the_defaults_hold() -> None:
    """With no file and no variable, the public contract's defaults hold."""
    settings = load()
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8080, 1)
    assert settings.store.directory == Path("wheelkeep-data")
    assert settings.cache.path == Path("wheelkeep-data/cache")
    assert settings.cache.max_bytes == 50_000_000_000
    limits = settings.limits
    assert (limits.max_page_bytes, limits.max_file_bytes) == (100_000_000, 20_000_000_000)
    assert (limits.small_file_bytes, limits.relay_from_bytes) == (256 * 1024, 8 * 1024 * 1024)
    assert (limits.segment_from_bytes, limits.segment_connections) == (64 * 1024 * 1024, 4)
    assert limits.upstream_connections == 16
    assert (limits.connect_seconds, limits.first_byte_seconds) == (5, 15)
    assert (limits.between_bytes_seconds, limits.page_seconds) == (30, 30)
    assert (limits.slow_bytes_per_second, limits.slow_window_seconds) == (64 * 1024, 60)
    assert (limits.write_seconds, limits.requests) == (60, 1000)
    assert (limits.connections, limits.flights) == (10_000, 500)
    assert (settings.server.drain_seconds, settings.server.keepalive_seconds) == (60, 75)


def test_the_file_in_the_working_directory_is_found(write: Write) -> None:
    """A wheelkeep.toml in the working directory is read without being named."""
    write("[server]\nport = 9001\n")
    assert load().server.port == 9001


def test_a_named_file_wins_over_the_variable_and_that_over_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is that of --config, else that of WHEELKEEP_CONFIG, else the one in the working directory; never two."""
    write("[server]\nport = 9001\nhost = '::1'\n")
    (tmp_path / "variable.toml").write_text("[server]\nport = 9002\n", encoding="utf-8")
    (tmp_path / "option.toml").write_text("[server]\nport = 9003\n", encoding="utf-8")
    monkeypatch.setenv("WHEELKEEP_CONFIG", str(tmp_path / "variable.toml"))
    assert (load().server.port, load().server.host) == (9002, "127.0.0.1")
    assert load(tmp_path / "option.toml").server.port == 9003


def test_the_environment_wins_over_the_file_key_by_key(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces its key of the file and leaves the other keys of the table."""
    write("[server]\nport = 9001\ndrain_seconds = 7\n[cache]\nmax_bytes = '1GB'\n")
    monkeypatch.setenv("WHEELKEEP_SERVER__PORT", "9009")
    monkeypatch.setenv("WHEELKEEP_CACHE__MAX_BYTES", "2GiB")
    settings = load()
    assert (settings.server.port, settings.server.drain_seconds) == (9009, 7)
    assert settings.cache.max_bytes == 2 * 1024**3


def test_the_command_line_wins_over_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """--host and --port win over variables and file."""
    write("[server]\nport = 9001\nhost = '::1'\n")
    monkeypatch.setenv("WHEELKEEP_SERVER__PORT", "9009")
    settings = load(host="127.0.0.2", port=0)
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 0)


def test_an_empty_variable_counts_as_unset(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as compose files leave them, changes nothing."""
    write("[server]\nport = 9001\n")
    monkeypatch.setenv("WHEELKEEP_SERVER__PORT", "")
    monkeypatch.setenv("WHEELKEEP_CONFIG", "")
    assert load().server.port == 9001


def test_a_list_in_the_environment_replaces_the_list_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole list is given as JSON in its variable."""
    write("[[upstreams]]\nname = 'feed'\nurl = 'https://feeds.example.com/a/'\n")
    monkeypatch.setenv("WHEELKEEP_UPSTREAMS", '[{"name": "other", "url": "https://index.example/simple"}]')
    assert [(each.name, each.url) for each in load().upstreams] == [
        ("other", "https://index.example/simple/")
    ]


def test_variables_that_kubernetes_sets_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Service named "wheelkeep" or "wheelkeep-server" leaves in a pod's environment is not an unknown key."""
    for name, value in {
        "WHEELKEEP_SERVICE_HOST": "10.0.0.1",
        "WHEELKEEP_SERVICE_PORT": "80",
        "WHEELKEEP_SERVICE_PORT_HTTP": "80",
        "WHEELKEEP_PORT": "tcp://10.0.0.1:80",
        "WHEELKEEP_PORT_80_TCP": "tcp://10.0.0.1:80",
        "WHEELKEEP_PORT_80_TCP_ADDR": "10.0.0.1",
        "WHEELKEEP_PORT_80_TCP_PROTO": "tcp",
        "WHEELKEEP_SERVER_PORT": "tcp://10.0.0.1:80",
    }.items():
        monkeypatch.setenv(name, value)
    assert load().server.port == 8080


def test_a_secrets_variable_may_have_our_prefix(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that a connection names as its secret is not an unknown key."""
    write(
        "[[connections]]\nname = 'pat'\ncategory = 'PythonFeed'\ntarget = 'https://feeds.example.com/org'\n"
        "auth_type = 'PAT'\nsecret_env = 'WHEELKEEP_FEED_PAT'\n"
    )
    monkeypatch.setenv("WHEELKEEP_FEED_PAT", "hunter2")
    settings = load()
    secret = settings.connections[0].secret()
    assert secret is not None
    assert secret.read() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_an_unreadable_file_is_told(nowhere: Path) -> None:
    """A file that is there and cannot be read is an error also when nobody named it."""
    (nowhere / "wheelkeep.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"\Awheelkeep.toml cannot be read: is a directory\.\Z"):
        load()


def test_a_file_in_another_encoding_is_told(nowhere: Path) -> None:
    """A file that is not UTF-8 is told with the place of the first wrong byte."""
    (nowhere / "wheelkeep.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(
        ConfigurationError, match=r"wheelkeep.toml is not valid TOML: it is not UTF-8 at byte 5\.\Z"
    ):
        load()


@pytest.mark.parametrize("asker", ["--config", "WHEELKEEP_CONFIG"])
def test_a_named_file_that_is_missing_is_told(asker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file that nobody named may be missing; the sentence says who named it."""
    missing = Path("missing.toml")
    if asker == "WHEELKEEP_CONFIG":
        monkeypatch.setenv(asker, str(missing))
    with pytest.raises(ConfigurationError) as caught:
        load(missing if asker == "--config" else None)
    assert (
        str(caught.value)
        == f"missing.toml, which {asker} names, is not there: create it or correct the path."
    )


def test_nothing_but_ours_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable without our prefix never is a setting, whatever its name."""
    monkeypatch.setenv("SERVER__PORT", "1")
    monkeypatch.setenv("SERVER", '{"port": 1}')
    assert load().server.port == 8080
    assert "SERVER" in os.environ
