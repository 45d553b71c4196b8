"""A page comes whole and understood, or it is a failure that says why; never a shorter one, never an empty one."""

import asyncio
import socket
from dataclasses import replace

import pytest

from mirror.errors import FileNotFound, ProjectNotFound, Rejected, Throttled, Unreachable, WheelkeepError
from mirror.names import ProjectName
from mirror.ports import Validators
from mirror.upstream.client import UpstreamClient
from tests.mirror.upstream.conftest import QUICK, TOKEN, Bench, pat
from tests.simulator import Gate, Refusal, Simulator, faults
from tests.simulator.faults import Fault

DEMO = ProjectName("demo")
WHEEL = "demo-1.0-py3-none-any.whl"
PAGE = "*/demo/"
QUICKEST = replace(QUICK, page_attempts=1)


def _filled(feed: Simulator, files: int = 1) -> Simulator:
    for number in range(files):
        feed.add("demo", f"demo-1.{number}-py3-none-any.whl", b"wheel %d" % number, metadata=b"Name: demo\n")
    return feed


@pytest.mark.parametrize(
    ("formats", "links"),
    [
        (("json", "html"), "absolute"),
        (("json",), "relative"),
        (("html",), "absolute"),
        (("html",), "relative"),
        (("html",), "base"),
    ],
)
@pytest.mark.parametrize("index_path", ["/simple/", "/simple/simple/"])
async def test_a_page_in_any_form_is_understood(
    bench: Bench, formats: tuple[str, ...], links: str, index_path: str
) -> None:
    """JSON and HTML, with links of any kind, under a doubled path too, give the same absolute URL."""
    async with Simulator(formats=formats, links=links, index_path=index_path) as feed:
        _filled(feed)
        fetched = await bench.client(feed.simple_url).fetch_page(DEMO)
        assert fetched is not None
        assert [(file.filename, file.url) for file in fetched.page.files] == [
            ("demo-1.0-py3-none-any.whl", f"{feed.url}/files/demo/{WHEEL}")
        ]
        assert bench.outcomes == [("page", "ok")]


async def test_what_is_sent_with_a_page_request(bench: Bench) -> None:
    """JSON is asked for first, gzip is accepted, Azure is asked for honest errors, and nobody is told no-cache."""
    async with Simulator() as feed:
        _filled(feed)
        await bench.client(feed.simple_url.removesuffix("/")).fetch_page(DEMO)
        [asked] = feed.requests
    assert (asked.method, asked.path) == ("GET", "/simple/demo/")
    assert asked.headers["Accept"].startswith("application/vnd.pypi.simple.v1+json, ")
    assert asked.headers["Accept-Encoding"] == "gzip"
    assert asked.headers["X-TFS-FedAuthRedirect"] == "Suppress"
    assert asked.headers["User-Agent"] == "wheelkeep/test"
    assert not {"Cache-Control", "Cookie", "Authorization", "If-None-Match"} & set(asked.headers)


async def test_the_list_is_understood(bench: Bench) -> None:
    """The project list comes normalized and sorted."""
    async with Simulator() as feed:
        for name in ("zeta", "demo"):
            feed.add(name, f"{name}-1.0.tar.gz", b"sdist")
        fetched = await bench.client(feed.simple_url).fetch_list()
        assert fetched is not None
        assert fetched.projects.names == ("demo", "zeta")
        assert bench.outcomes == [("list", "ok")]


@pytest.mark.parametrize("kept", [("etag",), ("date",), ("etag", "date")])
async def test_an_unmodified_page_is_none(bench: Bench, kept: tuple[str, ...]) -> None:
    """Asked with what it gave, the upstream says that nothing changed; after a change it sends the page."""
    async with Simulator(validators=kept) as feed:
        _filled(feed)
        client = bench.client(feed.simple_url)
        first = await client.fetch_page(DEMO)
        assert first is not None
        assert await client.fetch_page(DEMO, first.validators) is None
        assert bench.outcomes[-1] == ("page", "unmodified")
        _filled(feed, files=2)
        second = await client.fetch_page(DEMO, first.validators)
        assert second is not None
        assert len(second.page.files) == 2


@pytest.mark.parametrize("code", [404, 410])
async def test_an_unknown_project_is_not_found(bench: Bench, code: int) -> None:
    """404 and 410 say that there is no such project, with one request."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(code), PAGE)
        with pytest.raises(ProjectNotFound, match="'feed' has no project 'demo'"):
            await bench.client(feed.simple_url).fetch_page(DEMO)
        assert feed.count("page") == 1
        assert bench.outcomes == [("page", "not_found")]


async def test_a_missing_list_is_a_failure(bench: Bench) -> None:
    """An upstream without a project list is an upstream that failed: a list that is not there is not empty."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(404))
        with pytest.raises(Unreachable, match="has no project list"):
            await bench.client(feed.simple_url).fetch_list()


UNUSABLE: dict[str, tuple[Fault, str]] = {
    "length short": (faults.cut(40), "broke off"),
    "chunks without end": (faults.cut(40, chunked=True), "broke off"),
    "reset": (faults.reset(40), "broke off|lost the connection"),
    "reset before the answer": (faults.reset(), "closed the connection|lost the connection"),
    "gzip cut, length right": (faults.gzip_cut(60), "cut off"),
    "gzip bomb": (faults.gzip_bomb(50_000_000), "larger than 1000000 bytes"),
    "coding nobody asked for": (faults.headers({"Content-Encoding": "br"}), "not asked for"),
    "not gzip": (
        faults.both(faults.say(b"plain"), faults.headers({"Content-Encoding": "gzip"})),
        "gzip stream is",
    ),
    "oversized": (faults.say(b"<" * 1_000_001), "more than 1000000 bytes"),
    "oversized in chunks": (faults.both(faults.say(b"<" * 1_000_001), faults.chunked()), "more than 1000000"),
    "not an index": (faults.say(b"<html><body><a href='/'>home</a></body></html>"), "cannot be used"),
    "captive portal": (faults.say(b"<html><title>Welcome</title></html>"), "cannot be used"),
    "not JSON": (faults.say(b"{}{", "application/vnd.pypi.simple.v1+json"), "cannot be used"),
    "another type": (faults.say(b"%PDF", "application/pdf"), "cannot be used"),
    "empty": (faults.say(b""), "cannot be used"),
    "no content": (faults.status(204), "HTTP 204"),
    "unasked 304": (faults.status(304), "HTTP 304"),
    "500": (faults.status(500), "HTTP 500"),
    "redirect without a place": (faults.status(302), "HTTP 302"),
    "redirect to nonsense": (faults.redirect("http://[::1"), "not a URL"),
    "redirect loop": (faults.redirect_loop(), "redirects more than 5 times"),
    "redirect elsewhere": (faults.redirect("http://elsewhere.invalid/"), "not one of its file_hosts"),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_an_unusable_page_is_a_failure(bench: Bench, name: str) -> None:
    """Whatever is cut, oversized, malformed or not an index is `Unreachable`, and says so."""
    fault, words = UNUSABLE[name]
    async with Simulator() as feed:
        _filled(feed, files=5)
        feed.misbehave(fault, PAGE)
        client = bench.client(feed.simple_url, limits=replace(QUICKEST, max_page_bytes=1_000_000))
        with pytest.raises(Unreachable, match=words) as caught:
            await client.fetch_page(DEMO)
        assert str(caught.value).startswith(f"Upstream 'feed' at {feed.index_host} ")
        assert bench.calls[-1].reason
        # The failure leaves nothing behind: the next answer counts for itself.
        feed.behave()
        fetched = await client.fetch_page(DEMO)
        assert fetched is not None
        assert len(fetched.page.files) == 5


async def test_a_wrong_version_is_a_failure(bench: Bench) -> None:
    """A page of another major version is not read as one of ours."""
    async with Simulator(api_version="2.0") as feed:
        _filled(feed)
        with pytest.raises(Unreachable, match="cannot be used"):
            await bench.client(feed.simple_url).fetch_page(DEMO)


@pytest.mark.parametrize("formats", [("json",), ("html",)])
@pytest.mark.parametrize("coded", [True, False])
async def test_a_body_ended_by_closing_is_taken_only_with_proof(
    bench: Bench, formats: tuple[str, ...], *, coded: bool
) -> None:
    """Without length and chunks a whole page is taken for what its own end proves, and a cut one is refused."""
    async with Simulator(formats=formats, gzip_pages=coded) as feed:
        _filled(feed, files=5)
        client = bench.client(feed.simple_url, limits=QUICKEST)
        feed.misbehave(faults.until_closed(), PAGE, times=1)
        fetched = await client.fetch_page(DEMO)
        assert fetched is not None
        assert len(fetched.page.files) == 5
        feed.misbehave(faults.until_closed(200), PAGE)
        with pytest.raises(Unreachable, match="cannot be used"):
            await client.fetch_page(DEMO)


async def test_html_without_its_last_tag_needs_a_marked_end(bench: Bench) -> None:
    """Bare anchors, as PEP 503 allows them, are whole when their length says so and not when a closed connection does."""
    bare = b'<!DOCTYPE html><title>Links for demo</title><a href="/f/demo-1.0.tar.gz">demo-1.0.tar.gz</a>'
    async with Simulator() as feed:
        client = bench.client(feed.simple_url, limits=QUICKEST)
        feed.misbehave(faults.say(bare), PAGE, times=1)
        fetched = await client.fetch_page(DEMO)
        assert fetched is not None
        assert len(fetched.page.files) == 1
        feed.misbehave(faults.both(faults.say(bare), faults.until_closed()), PAGE)
        with pytest.raises(Unreachable, match="neither its length nor its end is marked"):
            await client.fetch_page(DEMO)


@pytest.mark.parametrize("refusal", ["401", "403", "203", "302"])
async def test_bad_credentials_are_said_to_be(bench: Bench, refusal: Refusal) -> None:
    """401, 403, a sign-in page and a redirect to one are `Rejected`, name the connection, and are not tried again."""
    async with Simulator.azure(pat="another") as feed:
        feed.shape.refusal = refusal
        _filled(feed)
        with pytest.raises(Rejected, match=r"credentials of connection 'feed-pat' .*renew its secret"):
            await bench.client(feed.simple_url, pat(feed.url)).fetch_page(DEMO)
        assert len(feed.requests) == 1
        assert bench.outcomes == [("page", "rejected")]


@pytest.mark.parametrize("links", ["sign-in form", "password field"])
async def test_a_sign_in_page_with_status_200_is_rejected(bench: Bench, links: str) -> None:
    """A sign-in page in place of an index is about credentials, whatever its status."""
    pages = {
        "sign-in form": faults.sign_in_page(200),
        "password field": faults.say(b"<html><form><input type='password'></form></html>"),
    }
    async with Simulator() as feed:
        feed.misbehave(pages[links], PAGE)
        with pytest.raises(Rejected, match="no connection matches"):
            await bench.client(feed.simple_url).fetch_page(DEMO)


async def test_throttling_says_for_how_long(bench: Bench) -> None:
    """429 is `Throttled`, with the seconds the upstream gave, and is not answered by asking again."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(429, retry_after=30))
        with pytest.raises(Throttled) as caught:
            await bench.client(feed.simple_url).fetch_page(DEMO)
        assert caught.value.retry_after == 30
        assert len(feed.requests) == 1
        assert bench.outcomes == [("page", "throttled")]


async def test_throttling_is_obeyed_by_everybody(bench: Bench) -> None:
    """Until the time is over that a 429 asked for, nothing is sent, whatever is wanted; then the upstream is asked again."""
    async with Simulator() as feed:
        _filled(feed)
        file = feed.file_url("demo", WHEEL)
        client = bench.client(feed.simple_url)
        feed.misbehave(faults.status(429, retry_after=30), times=1)
        with pytest.raises(Throttled):
            await client.fetch_page(DEMO)
        bench.now += 20.5
        for asking in (
            client.fetch_page(ProjectName("other")),
            client.fetch_list(),
            client.fetch_metadata(file),
            _whole(client, file),
        ):
            with pytest.raises(Throttled, match="left alone") as caught:
                await asking
            assert caught.value.retry_after == 10
        assert feed.count() == 1
        assert bench.outcomes == [("page", "throttled")]
        bench.now += 10
        assert await client.fetch_page(DEMO)


async def test_throttling_without_a_time_is_no_pause(bench: Bench) -> None:
    """A 429 that does not say for how long is over with its request; so is one whose clock was set back since."""
    async with Simulator() as feed:
        _filled(feed)
        client = bench.client(feed.simple_url)
        for seconds, now in ((None, 0), (30, -100_000)):
            feed.misbehave(faults.status(429, retry_after=seconds), times=1)
            with pytest.raises(Throttled):
                await client.fetch_page(DEMO)
            bench.now += now
            assert await client.fetch_page(DEMO)


async def test_throttling_by_a_file_host_is_its_own(bench: Bench) -> None:
    """A 429 of a host that the upstream redirects to does not keep the upstream from being asked."""
    async with Simulator.azure(None) as feed:
        _filled(feed)
        client = bench.client(feed.simple_url, file_hosts=[feed.file_host])
        feed.misbehave(faults.status(429, retry_after=30), host="files")
        with pytest.raises(Throttled):
            await _whole(client, feed.file_url("demo", WHEEL))
        assert await client.fetch_page(DEMO)


async def _whole(client: UpstreamClient, url: str) -> bytes:
    async with client.open_file(url) as body:
        return b"".join([piece async for piece in body.chunks()])


@pytest.mark.parametrize(
    "fault", [faults.status(502), faults.status(503), faults.status(504), faults.cut(40)]
)
async def test_a_passing_failure_is_tried_again(bench: Bench, fault: Fault) -> None:
    """A gateway's error or a broken connection is asked past: the third answer counts, and each exchange is told."""
    async with Simulator() as feed:
        _filled(feed)
        feed.misbehave(fault, PAGE, times=2)
        assert await bench.client(feed.simple_url).fetch_page(DEMO) is not None
        assert bench.outcomes == [("page", "unreachable")] * 2 + [("page", "ok")]


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (faults.status(503), 3),
        (faults.status(503, retry_after=20), 1),
        (faults.status(500), 1),
        (faults.status(400), 1),
        (faults.gzip_cut(60), 1),
    ],
)
async def test_attempts_are_bounded(bench: Bench, fault: Fault, asked: int) -> None:
    """A lasting failure is believed at once, a passing one after the third attempt, and Retry-After is obeyed."""
    async with Simulator() as feed:
        _filled(feed)
        feed.misbehave(fault, PAGE)
        with pytest.raises(Unreachable):
            await bench.client(feed.simple_url).fetch_page(DEMO)
        assert feed.count("page") == asked


async def test_nobody_listening_is_a_failure(bench: Bench) -> None:
    """A refused connection names the upstream and where it was looked for."""
    async with Simulator() as feed:
        await feed.stop()
        with pytest.raises(Unreachable, match=f"'feed' at {feed.index_host} cannot be connected to"):
            await bench.client(feed.simple_url).fetch_page(DEMO)


async def test_a_name_that_does_not_resolve_is_a_failure(bench: Bench) -> None:
    """An unknown host is a failure of the upstream, told as such."""
    with pytest.raises(Unreachable, match=r"'feed' at nowhere\.invalid"):
        await bench.client("http://nowhere.invalid/simple/").fetch_page(DEMO)


async def test_what_is_not_http_is_a_failure(bench: Bench) -> None:
    """A server that speaks something else is not understood as HTTP."""

    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="is not HTTP"):
            await bench.client(f"http://127.0.0.1:{port}/simple/").fetch_page(DEMO)


@pytest.mark.parametrize("at", [None, 0, 40])
async def test_silence_ends_in_time(bench: Bench, at: int | None) -> None:
    """Silence before the answer, after its headers and in the middle of its body is given up."""
    async with Simulator() as feed:
        _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate, at), PAGE)
        limits = replace(QUICKEST, connect_seconds=0.05, first_byte_seconds=0.1, between_bytes_seconds=0.1)
        with pytest.raises(Unreachable, match="in time"):
            await bench.client(feed.simple_url, limits=limits).fetch_page(DEMO)
        gate.open()


async def test_a_page_has_a_time_for_the_whole_of_it(bench: Bench) -> None:
    """A page that never falls silent for long must still be done within its time, and is not waited for twice."""
    async with Simulator() as feed:
        _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate, 40), PAGE)
        limits = replace(QUICK, page_seconds=0.1, retry_within_seconds=0.05)
        with pytest.raises(Unreachable, match=r"was not done within 0\.1 s"):
            await bench.client(feed.simple_url, limits=limits).fetch_page(DEMO)
        gate.open()


async def test_a_cancelled_request_frees_its_place(bench: Bench) -> None:
    """A caller that goes away leaves nothing behind: with one connection the next page still comes."""
    async with Simulator() as feed:
        _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate), PAGE, times=1)
        client = bench.client(feed.simple_url, limits=replace(QUICK, connections=1))
        waiting = asyncio.create_task(client.fetch_page(DEMO))
        await gate.reached()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await client.fetch_page(DEMO) is not None
        assert bench.outcomes == [("page", "ok")]
        gate.open()


async def test_pages_find_a_way_past_files(bench: Bench) -> None:
    """When files take all the connections they may, a page is still answered."""
    async with Simulator() as feed:
        _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate), "*.whl")
        limits = replace(QUICK, connections=4)
        client = bench.client(feed.simple_url, limits=limits)

        async def read() -> None:
            async with client.open_file(feed.file_url("demo", WHEEL)):
                pass

        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(read())
            await gate.reached()
            assert await client.fetch_page(DEMO) is not None
            assert feed.count("file") <= 3
            gate.open()
        assert feed.count("file") == 6


async def test_a_large_page_is_understood(bench: Bench) -> None:
    """Thousands of files, more than are parsed on the loop, come through whole, plain and coded."""
    for coded in (True, False):
        async with Simulator(gzip_pages=coded) as feed:
            _filled(feed, files=3_000)
            fetched = await bench.client(feed.simple_url).fetch_page(DEMO)
            assert fetched is not None
            assert len(fetched.page.files) == 3_000
            assert bench.calls[-1].received == feed.requests[-1].sent > 0


async def test_metadata_is_fetched_beside_the_file(bench: Bench) -> None:
    """The sidecar's bytes come as they are, from the file's path with `.metadata` behind it and its query kept."""
    async with Simulator() as feed:
        _filled(feed)
        client = bench.client(feed.simple_url)
        assert await client.fetch_metadata(f"{feed.file_url('demo', WHEEL)}?key=a%2Bb") == b"Name: demo\n"
        [asked] = feed.requests
        assert (asked.path, asked.query) == (f"/files/demo/{WHEEL}.metadata", "key=a%2Bb")
        assert asked.headers["Accept-Encoding"] == "identity"
        assert bench.outcomes == [("metadata", "ok")]


@pytest.mark.parametrize(
    ("fault", "leaf"),
    [
        (faults.status(404), FileNotFound),
        (faults.status(401), Rejected),
        (faults.sign_in_page(), Rejected),
        (faults.sign_in_page(200), Rejected),
        (faults.say(b" <html>Welcome</html>"), Unreachable),
        (faults.cut(3), Unreachable),
        (faults.until_closed(3), Unreachable),
        (faults.until_closed(), Unreachable),
        (faults.longer(2_000), Unreachable),
        (faults.gzip_bomb(2_000), Unreachable),
    ],
)
async def test_metadata_comes_whole_or_not(bench: Bench, fault: Fault, leaf: type[WheelkeepError]) -> None:
    """A missing, cut, unmarked or oversized sidecar is an error of the right kind."""
    async with Simulator() as feed:
        _filled(feed)
        feed.misbehave(fault, "*.metadata")
        client = bench.client(feed.simple_url, limits=replace(QUICK, max_page_bytes=1_000))
        with pytest.raises(leaf):
            await client.fetch_metadata(feed.file_url("demo", WHEEL))


async def test_the_right_credentials_open_a_feed(bench: Bench) -> None:
    """A feed like Azure Artifacts is read with a PAT under any user name, and its GUID links are absolute."""
    async with Simulator.azure(pat=TOKEN) as feed:
        _filled(feed)
        fetched = await bench.client(feed.simple_url, pat(feed.url)).fetch_page(DEMO)
        assert fetched is not None
        assert fetched.page.files[0].url == feed.file_url("demo", WHEEL)
        assert fetched.validators == Validators()
