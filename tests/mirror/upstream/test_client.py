"""The client keeps its promises as a whole: it fulfils the port, closes clean, and shows a secret to nobody."""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
from yarl import URL

from mirror.errors import Invalid, Refused, Unreachable, WheelkeepError
from mirror.names import ProjectName
from mirror.ports import Upstream
from mirror.upstream.client import UpstreamClient
from mirror.upstream.credentials import Connections
from tests.mirror.upstream.conftest import QUICK, Bench, connection, pat
from tests.simulator import Bearer, Gate, Simulator, faults
from tests.simulator.faults import Fault

DEMO = ProjectName("demo")
NAME = "demo-1.0-py3-none-any.whl"
SECRET = "s3cret-pat"
SIGNATURE = "h1dden-signature"
LEAKS = (SECRET, base64.b64encode(f"wheelkeep:{SECRET}".encode()).decode(), SIGNATURE)


def test_it_is_an_upstream(bench: Bench) -> None:
    """The client fulfils the port, as the type checker sees it."""
    upstream: Upstream = bench.client("http://feeds.example.com/simple/")
    assert upstream.name == "feed"


@pytest.mark.parametrize(
    "url",
    [
        "feeds.example.com/simple/",
        "ftp://feeds.example.com/simple/",
        "https:///simple/",
        "https://me:hidden@feeds.example.com/simple/",
        "https://feeds.example.com/simple/?key=hidden",
        "https://feeds.example.com:99999/",
    ],
)
def test_a_url_that_cannot_be_an_index_is_refused(url: str) -> None:
    """An upstream's URL is http or https with a host and without credentials; what is wrong is said without them."""
    with pytest.raises(Invalid) as caught:
        UpstreamClient("feed", url, connections=Connections(), user_agent="wheelkeep/test")
    assert "hidden" not in str(caught.value)


async def test_closing_ends_what_is_under_way(bench: Bench) -> None:
    """A body that is being read breaks off as `Unreachable`, later requests fail, and closing twice is nothing."""
    async with Simulator() as feed:
        feed.add("demo", NAME, b"x" * 500_000)
        gate = Gate()
        feed.misbehave(faults.hold(gate, 1_000), "*.whl")
        client = bench.client(feed.simple_url)
        async with client.open_file(feed.file_url("demo", NAME)) as body:
            chunks = body.chunks()
            await anext(chunks)
            await client.aclose()
            with pytest.raises(Unreachable):
                await anext(chunks)
        gate.open()
        await client.aclose()
        with pytest.raises(Unreachable):
            await client.fetch_page(DEMO)
        assert feed.count("page") == 0


async def test_many_at_once_share_few_connections(bench: Bench) -> None:
    """However many ask, no more exchanges are under way than the limit says."""
    async with Simulator() as feed:
        feed.add("demo", NAME, b"wheel")
        gate = Gate()
        feed.misbehave(faults.hold(gate), "*/demo/")
        client = bench.client(feed.simple_url, limits=replace(QUICK, connections=3))
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(client.fetch_page(DEMO))
            await gate.reached()
            for _ in range(100):
                await asyncio.sleep(0)
            assert feed.count("page") <= 3
            gate.open()
        assert feed.count("page") == 20


FAILING: list[Fault] = [
    faults.status(401),
    faults.status(403),
    faults.status(404),
    faults.status(429, retry_after=1),
    faults.status(500),
    faults.status(503),
    faults.sign_in_page(203),
    faults.sign_in_page(200),
    faults.say(b"<html>"),
    faults.cut(3),
    faults.reset(),
    faults.hold(Gate()),
    faults.headers({"Content-Encoding": "br"}),
    faults.headers({"Bad\x00Header": "x"}),
    faults.redirect_loop(),
    faults.redirect(f"/_signin?sig={SIGNATURE}"),
    faults.redirect(f"http://elsewhere.invalid/x?sig={SIGNATURE}"),
    faults.redirect(f"http://listed.invalid/x?sig={SIGNATURE}"),
    faults.redirect(f"http://127.0.0.1:9/x?sig={SIGNATURE}"),
    faults.redirect(f"http://me:{SIGNATURE}@listed.invalid/x"),
    faults.redirect(f"http://[::1/x?sig={SIGNATURE}"),
    faults.redirect(f"http://169.254.169.254/x?sig={SIGNATURE}"),
]


@pytest.mark.parametrize("fault", FAILING)
@pytest.mark.parametrize("auth_type", ["PAT", "Bearer"])
async def test_no_secret_is_ever_shown(
    bench: Bench,
    fault: Fault,
    auth_type: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever fails: no exception, cause, repr, event, log line or output holds the PAT, its header or a signature."""
    async with Simulator() as feed:
        feed.add("demo", NAME, b"x" * 200_000, metadata=b"Name: demo\n")
        feed.misbehave(fault)
        limits = replace(QUICK, connect_seconds=0.03, first_byte_seconds=0.03)
        kept = pat(feed.url, SECRET) if auth_type == "PAT" else connection(feed.url, "Bearer", SECRET)
        client = bench.client(
            feed.simple_url, kept, limits=limits, file_hosts=["listed.invalid", "127.0.0.1:9", "127.0.0.1"]
        )
        url = f"{feed.file_url('demo', NAME)}?sig={SIGNATURE}"
        shown = [repr(client), repr(kept)]
        asking: list[Callable[[], Awaitable[object]]] = [
            lambda: client.fetch_page(DEMO),
            client.fetch_list,
            lambda: client.fetch_metadata(url),
            lambda: _read(client, url),
        ]
        for ask in asking:
            with pytest.raises(WheelkeepError) as caught:
                await ask()
            bench.now += 1
            shown += [text for error in _chain(caught.value) for text in (str(error), repr(error))]
        assert any(asked.authorization for asked in feed.history)
    output = capsys.readouterr()
    shown += [repr(bench.events), output.out, output.err, caplog.text]
    assert len(bench.events) >= 4
    for leak in LEAKS:
        assert not [text for text in shown if leak in text]


async def _read(client: UpstreamClient, url: str) -> None:
    async with client.open_file(url) as body:
        async for _ in body.chunks():
            pass


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


async def test_a_page_cannot_spend_credentials_of_another_upstream(bench: Bench) -> None:
    """A link to a private feed on the page of an upstream with `file_hosts = ["*"]` is asked without that feed's PAT."""
    public = bench.client(
        "https://feeds.example.com/simple/", pat("http://private.invalid/", SECRET), file_hosts=["*"]
    )
    guard, exchange = public._exchange._guard, public._exchange
    private = URL("https://private.invalid/secret.whl")
    guard.check(private)
    assert exchange._connection_for(private) is None


async def test_a_listed_host_gets_the_credentials_of_its_own_target(bench: Bench) -> None:
    """A file host that is listed and has a connection of its own is asked with that one."""
    async with Simulator(credential=Bearer("for-blobs"), files_on="index") as blobs, Simulator() as feed:
        blobs.add("demo", NAME, b"wheel")
        client = bench.client(
            feed.simple_url,
            pat(feed.url, SECRET, name="feed"),
            connection(blobs.url, "Bearer", "for-blobs", name="blobs"),
            file_hosts=[blobs.index_host],
        )
        async with client.open_file(blobs.file_url("demo", NAME)) as body:
            assert body.total == 5


async def test_a_refused_page_is_an_upstream_failure(bench: Bench) -> None:
    """An index that redirects where it may not is `Unreachable` for its pages and told as such; for metadata it is refused."""
    async with Simulator() as feed:
        feed.misbehave(faults.redirect("http://169.254.169.254/"))
        client = bench.client(feed.simple_url)
        with pytest.raises(Unreachable, match=r"169\.254\.169\.254") as caught:
            await client.fetch_page(DEMO)
        assert isinstance(caught.value.__cause__, Refused)
        assert bench.outcomes == [("page", "unreachable")]
        with contextlib.suppress(Refused):
            await client.fetch_metadata(feed.url)
        assert bench.outcomes[-1] == ("metadata", "refused")
