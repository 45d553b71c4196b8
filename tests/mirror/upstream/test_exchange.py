"""Redirects are followed by hand: each one is judged, and credentials stay with the server they are for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from config.secrets import FileSecret
from mirror.errors import FileNotFound, Refused, Rejected, Unreachable
from mirror.names import ProjectName
from mirror.upstream.exchange import MOST_REDIRECTS
from tests.mirror.upstream.conftest import TOKEN, Bench, connection, pat
from tests.simulator import Basic, Bearer, Simulator

DEMO = ProjectName("demo")
Handler = Callable[[web.Request], web.StreamResponse]


class Recorder:
    """A server that answers as a test says, and keeps what it was asked."""

    def __init__(self, server: BaseTestServer, asked: list[web.Request]) -> None:
        self.origin = str(server.make_url("")).removesuffix("/")
        self.place = f"127.0.0.1:{server.port}"
        self.asked = asked

    @property
    def authorizations(self) -> list[str | None]:
        """The credentials of each request, in order."""
        return [request.headers.get("Authorization") for request in self.asked]


@asynccontextmanager
async def _server(answer: Handler) -> AsyncIterator[Recorder]:
    asked: list[web.Request] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.Request)
        asked.append(request)
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(app) as server:
        yield Recorder(server, asked)


def _redirect(location: str) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": location})


async def _get(bench: Bench, url: str, home: Recorder, *file_hosts: str) -> None:
    client = bench.client(f"{home.origin}/simple/", pat(home.origin), file_hosts=file_hosts)
    async with client.open_file(url) as body:
        assert [piece async for piece in body.chunks()] == [b"bytes"]


def _found(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"bytes", content_type="application/octet-stream")


@pytest.mark.parametrize("location", ["/files/b.whl", "b.whl", "{home}/files/b.whl", "//{place}/files/b.whl"])
async def test_a_redirect_on_the_same_origin_keeps_credentials(bench: Bench, location: str) -> None:
    """Relative or absolute, a redirect to the same scheme, host and port is followed with them."""

    def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/files/b.whl":
            return _found(request)
        return _redirect(location.format(home=home.origin, place=home.place))

    async with _server(answer) as home:
        await _get(bench, f"{home.origin}/files/a.whl", home)
        first, second = home.authorizations
        assert first is not None
        assert first == second


async def test_a_redirect_to_another_port_drops_credentials(bench: Bench) -> None:
    """Another port of the same host is another server: it is asked without credentials."""
    async with _server(_found) as other, _server(lambda _: _redirect(f"{other.origin}/b.whl?sig=x")) as home:
        await _get(bench, f"{home.origin}/a.whl", home, other.place)
        assert home.authorizations != [None]
        assert other.authorizations == [None]
        assert other.asked[0].query_string == "sig=x"


async def test_credentials_are_dropped_for_good(bench: Bench) -> None:
    """A redirect away and back again does not bring them back."""

    def answer(request: web.Request) -> web.StreamResponse:
        return _found(request) if request.path == "/back.whl" else _redirect(f"{other.origin}/b.whl")

    async with AsyncExitStack() as stack:
        home = await stack.enter_async_context(_server(answer))
        other = await stack.enter_async_context(_server(lambda _: _redirect(f"{home.origin}/back.whl")))
        await _get(bench, f"{home.origin}/a.whl", home, other.place)
        assert home.authorizations[0] is not None
        assert home.authorizations[1] is None
        assert other.authorizations == [None]


@pytest.mark.parametrize("hops", [MOST_REDIRECTS, MOST_REDIRECTS + 1])
async def test_redirects_are_counted(bench: Bench, hops: int) -> None:
    """Five are followed, and a sixth is not."""

    def answer(request: web.Request) -> web.StreamResponse:
        left = int(request.path.removeprefix("/"))
        return _found(request) if left == 0 else _redirect(f"/{left - 1}")

    async with _server(answer) as home:
        if hops <= MOST_REDIRECTS:
            await _get(bench, f"{home.origin}/{hops}", home)
        else:
            with pytest.raises(Unreachable, match="more than 5 times"):
                await _get(bench, f"{home.origin}/{hops}", home)
        assert len(home.asked) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/metadata/identity/oauth2/token",
        "http://[::ffff:169.254.169.254]/metadata",
        "http://2852039166/metadata",
        "http://168.63.129.16/machine",
        "http://127.0.0.1:9/internal",
        "http://localhost:9/internal",
        "http://10.0.0.1/internal",
        "ftp://elsewhere.invalid/x",
        "file:///etc/passwd",
        "http://me:pw@elsewhere.invalid/x",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("file_hosts", [[], ["*"]])
async def test_a_redirect_inside_is_refused(bench: Bench, location: str, file_hosts: list[str]) -> None:
    """A redirect to a metadata service, an internal address or an unlisted host is refused and never connected to."""
    async with _server(lambda _: _redirect(location)) as home:
        with pytest.raises(Refused):
            await _get(bench, f"{home.origin}/a.whl", home, *file_hosts)
        assert len(home.asked) == 1
        assert bench.outcomes == [("file", "refused")]
        assert "pw" not in bench.calls[0].reason


async def test_a_redirect_to_an_unlisted_host_is_refused(bench: Bench) -> None:
    """A host that nobody listed is not followed to, and the sentence says how to allow it."""
    async with _server(lambda _: _redirect("http://elsewhere.invalid/x?sig=hidden")) as home:
        with pytest.raises(Refused, match=r"elsewhere\.invalid .* file_hosts: add it there") as caught:
            await _get(bench, f"{home.origin}/a.whl", home)
        assert "hidden" not in str(caught.value)


async def test_a_redirect_away_from_https_is_refused(bench: Bench) -> None:
    """What began over https is not continued over http, whatever is listed."""
    client = bench.client("https://feeds.example.com/simple/", file_hosts=["*", "blobs.example.com"])
    with pytest.raises(Refused, match="not followed over plain http"):
        async with client.open_file("http://blobs.example.com/a.whl"):
            pytest.fail("It was followed.")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a.whl", "http://me@{place}/a.whl", "nonsense", "", "http://"]
)
async def test_a_file_url_is_judged_before_it_is_asked(bench: Bench, url: str) -> None:
    """A page's own file URL goes past the same guard as a redirect."""
    async with _server(_found) as home:
        with pytest.raises(Refused):
            await _get(bench, url.format(place=home.place), home)
        assert home.asked == []


async def test_an_index_may_redirect_to_where_its_files_may_be(bench: Bench) -> None:
    """A page on a listed host is followed, without credentials, and its relative links are of that host."""
    async with Simulator() as feed:
        feed.shape.links = "relative"
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        async with _server(lambda request: _redirect(f"{feed.url}{request.path}")) as home:
            client = bench.client(f"{home.origin}/simple/", pat(home.origin), file_hosts=[feed.index_host])
            fetched = await client.fetch_page(DEMO)
            assert fetched is not None
            assert fetched.page.files[0].url == f"{feed.url}/files/demo/demo-1.0.tar.gz"
            assert feed.requests[0].authorization is None
            with pytest.raises(Unreachable, match="not one of its file_hosts"):
                await bench.client(f"{home.origin}/simple/").fetch_page(DEMO)


async def test_the_longest_target_is_used(bench: Bench) -> None:
    """Page and file each get the credentials of their own longest target."""
    async with Simulator(credential=Bearer("for-pages")) as feed:
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        client = bench.client(
            feed.simple_url,
            connection(feed.url, "Basic", "for-all", username="me", name="all"),
            connection(feed.simple_url, "Bearer", "for-pages", name="pages"),
        )
        assert client.connection_name == "pages"
        assert await client.fetch_page(DEMO) is not None
        feed.shape.credential = Basic("me", "for-all")
        async with client.open_file(feed.file_url("demo", "demo-1.0.tar.gz")) as body:
            assert body.total == 5


async def test_no_connection_means_no_credentials(bench: Bench) -> None:
    """What no target matches is asked without an Authorization header, and the refusal says so."""
    async with Simulator.azure(pat=TOKEN) as feed:
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        client = bench.client(feed.simple_url, pat(f"{feed.url}/another"))
        with pytest.raises(Rejected, match="no connection matches"):
            await client.fetch_page(DEMO)
        assert feed.requests[0].authorization is None
        assert client.connection_name is None


async def test_another_origin_does_not_inherit_the_indexs_credentials(bench: Bench) -> None:
    """The fallback to the index's connection holds on the index's own origin only."""
    async with _server(_found) as other, _server(_found) as home:
        await _get(bench, f"{other.origin}/a.whl", home, other.place)
        assert other.authorizations == [None]


async def test_a_rotated_secret_is_used_at_once(bench: Bench, secret_file: Path) -> None:
    """A new PAT in the file opens the feed at the next request, with no restart; the old one is refused meanwhile."""
    async with Simulator.azure(pat=TOKEN) as feed:
        feed.add("demo", "demo-1.0.tar.gz", b"sdist")
        client = bench.client(feed.simple_url, pat(feed.url, FileSecret(secret_file).read))
        assert await client.fetch_page(DEMO) is not None
        feed.rotate("n3w-t0ken")
        with pytest.raises(Rejected):
            await client.fetch_page(DEMO)
        await asyncio.to_thread(secret_file.write_text, "n3w-t0ken")
        assert await client.fetch_page(DEMO) is not None


async def test_an_unreadable_secret_is_rejected_by_its_connection(bench: Bench, secret_file: Path) -> None:
    """A secret that cannot be read is told by its connection and not by its place, and nothing is asked without it."""
    async with Simulator.azure(pat=TOKEN) as feed:
        client = bench.client(feed.simple_url, pat(feed.url, FileSecret(secret_file).read))
        await asyncio.to_thread(secret_file.unlink)
        with pytest.raises(Rejected, match="the secret of connection 'feed-pat' cannot be had") as caught:
            await client.fetch_page(DEMO)
        assert str(secret_file) not in str(caught.value)
        assert feed.requests == []


async def test_cookies_are_not_kept(bench: Bench) -> None:
    """A cookie that an upstream sets is not sent back."""

    def answer(request: web.Request) -> web.StreamResponse:
        response = _found(request)
        response.set_cookie("session", "1")
        return response

    async with _server(answer) as home:
        for _ in range(2):
            await _get(bench, f"{home.origin}/a.whl", home)
        assert [request.headers.get("Cookie") for request in home.asked] == [None, None]


async def test_the_environment_adds_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A netrc and a proxy of the environment are not used: no credentials and no road that nobody configured."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with _server(_found) as home:
        client = bench.client(f"{home.origin}/simple/")
        async with client.open_file(f"{home.origin}/a.whl") as body:
            assert body.total == 5
        assert home.authorizations == [None]


@pytest.mark.parametrize(
    "path", ["/a%2Bb.whl", "/a+b.whl", "/a%20b.whl", "/%7Eme/a.whl", "/a.whl?sig=a%2Bb%2Fc%3D&x=1+2"]
)
async def test_a_url_is_sent_as_it_is_written(bench: Bench, path: str) -> None:
    """Percent-escapes are not undone or redone on the way, in a page's URL or in a redirect's: a signature covers them."""
    async with _server(_found) as other, _server(lambda _: _redirect(f"{other.origin}{path}")) as home:
        await _get(bench, f"{home.origin}{path}", home, other.place)
        assert home.asked[0].raw_path == path
        assert other.asked[0].raw_path == path


async def test_an_odd_url_is_brought_into_form(bench: Bench) -> None:
    """A URL with characters that may not stand in one is escaped, and not sent as it is."""
    async with _server(_found) as home:
        await _get(bench, f"{home.origin}/ä b.whl", home)
        assert home.asked[0].raw_path == "/%C3%A4%20b.whl"


async def test_a_missing_file_is_named_without_its_query(bench: Bench) -> None:
    """A 404 behind a redirect is told by the URL that was asked for, without what may be a signature."""
    async with _server(lambda _: web.Response(status=404)) as home:
        with pytest.raises(FileNotFound, match=r"/a\.whl") as caught:
            await _get(bench, f"{home.origin}/a.whl?sig=hidden", home)
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["acme_signin-1.0-py3-none-any.whl", "vssps-1.0-py3-none-any.whl"])
async def test_a_package_of_such_a_name_is_no_sign_in_page(bench: Bench, name: str) -> None:
    """A redirect to a file whose name reminds of a sign-in page is followed."""

    def answer(request: web.Request) -> web.StreamResponse:
        return _found(request) if request.path.startswith("/signed/") else _redirect(f"/signed/{name}")

    async with _server(answer) as home:
        await _get(bench, f"{home.origin}/{name}", home)
