"""`wheelkeep doctor`: each check, and the sentences that say what to fix."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.errors import ConfigurationError
from config.settings import Connection, Settings, Upstream
from mirror.errors import Rejected, StoreError, Unreachable, WheelkeepError
from mirror.ports import Store
from mirror.stores.memory import MemoryStore
from tests.memory import MemoryUpstream
from tests.wheelkeep.conftest import Run
from wheelkeep.commands import doctor

FEED = "https://feeds.example.com/org/simple/"
PAT = "hunter2correcthorse"


def settings(connection: Connection | None = None) -> Settings:
    """Give settings with one feed, and perhaps its connection."""
    return Settings(
        upstreams=(Upstream(name="feed", url=FEED),), connections=() if connection is None else (connection,)
    )


def pat(**secret: object) -> Connection:
    """Give a PAT connection for the feed."""
    values = {"name": "feed-pat", "category": "PythonFeed", "target": FEED, "auth_type": "PAT"} | secret
    return Connection.model_validate(values)


async def ask(failure: WheelkeepError | None, connection: Connection | None = None) -> doctor.Check:
    """Check one upstream that fails, or knows no project."""
    upstream = MemoryUpstream(name="feed", failure=failure)
    names = {"feed": connection.name if connection else None}
    (check,) = await doctor.check_upstreams(settings(connection), {"feed": upstream}, names)
    assert upstream.calls == {"page": 1}
    return check


async def test_a_feed_that_does_not_know_the_probe_is_fine() -> None:
    """Not-found is an answer: the feed is reached and accepts what it is sent."""
    assert (await ask(None)).ok
    check = await ask(None, pat(secret_file="pat"))
    assert check.ok
    assert check.sentence == f"{FEED} answers; the credentials of connection 'feed-pat' are accepted."


@pytest.mark.parametrize(
    ("secret", "place"),
    [
        ({"secret_file": "feed-pat"}, "feed-pat"),
        ({"secret_env": "FEED_PAT"}, "FEED_PAT"),
    ],
)
async def test_rejected_credentials_name_connection_feed_and_place(
    secret: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejection names the connection, the feed, its URL and where the new secret goes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feed-pat").write_text(PAT, encoding="utf-8")
    monkeypatch.setenv("FEED_PAT", PAT)
    check = await ask(Rejected("feed", "no"), pat(**secret))
    assert not check.ok
    for part in (
        "connection 'feed-pat'",
        "'feed'",
        FEED,
        f"into {'the environment variable ' * (place.isupper())}{place},",
    ):
        assert part in check.sentence


async def test_a_feed_that_was_not_asked_is_not_blamed(tmp_path: Path) -> None:
    """Where the secret cannot be read the feed was never asked, so nothing is said of what it accepts."""
    check = await ask(Rejected("feed", "It was not asked."), pat(secret_file=str(tmp_path / "none")))
    assert (check.ok, check.sentence) == (False, "It was not asked.")


async def test_a_connection_without_a_secret_is_told_what_it_lacks() -> None:
    """Where the connection that matches sends nothing, the remedy is to give it a secret, not to renew one."""
    check = await ask(Rejected("feed", "no"), pat(auth_type="None"))
    assert not check.ok
    assert "connection 'feed-pat' has none: give it an auth_type and a secret." in check.sentence


async def test_a_rejection_without_a_connection_says_so() -> None:
    """Where no connection matches, the sentence says that one is missing."""
    check = await ask(Rejected("feed", "no"))
    assert not check.ok
    assert "no connection matches" in check.sentence
    assert FEED in check.sentence


async def test_an_unreachable_feed_gives_its_own_sentence() -> None:
    """What the upstream says of its failure is passed on."""
    check = await ask(Unreachable("feed", "feeds.example.com has no address."))
    assert (check.ok, check.sentence) == (False, "feeds.example.com has no address.")


def test_a_secret_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that can be read is fine and not shown; one that cannot is told with its place."""
    (tmp_path / "pat").write_text(PAT, encoding="utf-8")
    fine = doctor.check_secret(pat(secret_file=str(tmp_path / "pat")))
    assert fine.ok
    assert PAT not in fine.sentence
    monkeypatch.delenv("FEED_PAT", raising=False)
    for connection, place in (
        (pat(secret_file=str(tmp_path / "none")), "none"),
        (pat(secret_env="FEED_PAT"), "FEED_PAT"),
    ):
        check = doctor.check_secret(connection)
        assert not check.ok
        assert place in check.sentence
    assert doctor.check_secret(pat(auth_type="None")).ok


def test_the_cache_is_written_and_its_disk_measured(tmp_path: Path) -> None:
    """A cache directory is made and written, leaving nothing; one that cannot be is told with its path."""
    check = doctor.check_cache(tmp_path / "a" / "cache")
    assert check.ok
    assert "GB are free" in check.sentence
    assert list((tmp_path / "a" / "cache").iterdir()) == []
    (tmp_path / "file").touch()
    check = doctor.check_cache(tmp_path / "file" / "cache")
    assert not check.ok
    assert str(tmp_path / "file" / "cache") in check.sentence


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room on the disk of the cache is a failed check."""
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 80)
    check = doctor.check_cache(tmp_path)
    assert not check.ok
    assert "make room" in check.sentence


class BrokenStore(MemoryStore):
    """A store that cannot be written."""

    async def check(self) -> None:
        """Fail."""
        raise StoreError("The store cannot be written: free its disk.")


@pytest.mark.parametrize(("store", "ok"), [(MemoryStore(), True), (BrokenStore(), False)])
async def test_the_store_is_probed(store: Store, *, ok: bool) -> None:
    """The store's own probe decides, and what is said of it names its URL."""
    check = await doctor.check_store(settings(), store)
    assert check.ok is ok
    assert check.sentence.startswith("file:./wheelkeep-data can")


async def test_an_error_of_the_configuration_at_run_time_is_told() -> None:
    """A secret that cannot be read when it is needed is this upstream's failure, not everybody's."""

    class Secretless(MemoryUpstream):
        def _asked(self, kind: str) -> None:
            super()._asked(kind)
            raise ConfigurationError("The secret is missing.")

    fine = MemoryUpstream(name="second")
    checks = await doctor.check_upstreams(settings(), {"feed": Secretless(name="feed"), "second": fine}, {})
    assert [(check.subject, check.ok) for check in checks] == [
        ("upstream feed", False),
        ("upstream second", True),
    ]


@pytest.fixture
async def feed() -> AsyncIterator[TestServer]:
    """Serve a feed that knows no project and asks for the PAT."""

    async def answer(request: web.Request) -> web.Response:
        _, _, coded = request.headers.get("Authorization", "").partition("Basic ")
        _, _, password = b64decode(coded).decode().partition(":")
        return web.Response(status=404 if password == PAT else 401)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    async with server:
        yield server


async def test_the_whole_command(feed: TestServer, run: Run, tmp_path: Path) -> None:
    """With the right PAT all is well; a wrong one fails the feed's check alone, and no output shows either."""
    (tmp_path / "wheelkeep.toml").write_text(
        f"[[upstreams]]\nname = 'feed'\nurl = '{feed.make_url('/simple/')}'\n"
        f"[[connections]]\nname = 'feed-pat'\ncategory = 'PythonFeed'\ntarget = '{feed.make_url('/')}'\n"
        "auth_type = 'PAT'\nsecret_file = 'pat'\n",
        encoding="utf-8",
    )
    secret = tmp_path / "pat"
    secret.write_text(PAT, encoding="utf-8")
    ended = await run("doctor")
    assert (ended.status, ended.err) == (0, "")
    assert [line.partition(":")[0] for line in ended.out.splitlines()] == [
        "ok      configuration",
        "ok      connection feed-pat",
        "ok      cache",
        "ok      store",
        "ok      upstream feed",
    ]
    secret.write_text("wrong-pat", encoding="utf-8")
    ended = await run("doctor", "--json")
    assert ended.status == 1
    failed = [check for check in json.loads(ended.out)["checks"] if not check["ok"]]
    assert [check["subject"] for check in failed] == ["upstream feed"]
    assert "'feed-pat'" in failed[0]["sentence"]
    for secret_value in (PAT, "wrong-pat"):
        assert secret_value not in ended.out + ended.err


async def test_without_a_temporary_directory_the_rest_is_still_told(run: Run) -> None:
    """Where no file can be written at all, each check that needs one fails with its remedy, without a traceback."""
    ended = await run("doctor", before="ulimit -f 0")
    assert (ended.status, ended.err) == (1, "")
    failed = [line for line in ended.out.splitlines() if not line.startswith("ok ")]
    assert [line.partition(":")[0] for line in failed] == ["FAILED  cache", "FAILED  temporary directory"]
