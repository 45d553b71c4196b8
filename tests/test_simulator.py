"""The simulator does what it says: tests that rely on it prove nothing when it lies."""

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.simulator import Basic, Bearer, Credential, Gate, Pat, Simulator, faults, running_simulator
from tests.simulator.files import digest
from tests.simulator.pages import JSON

WHEEL = "demo-2.31.0-py3-none-any.whl"
DATA = bytes(range(256)) * 1024


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client that asks for no coding, and shows bodies as they came over the wire."""
    plain = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(auto_decompress=False, headers=plain) as session:
        yield session


def pat(token: str) -> dict[str, str]:
    """Give the header of a personal access token."""
    return {"Authorization": "Basic " + b64encode(f"anybody:{token}".encode()).decode()}


def links(page: bytes, url: str) -> list[str]:
    """Resolve the links of a page as a client does."""
    tree = LexborHTMLParser(page)
    base = tree.css_first("base")
    start = url if base is None else urljoin(url, base.attributes["href"] or "")
    return [urljoin(start, anchor.attributes["href"] or "") for anchor in tree.css("a")]


@pytest.mark.parametrize("shape", ["absolute", "relative", "base"])
@pytest.mark.parametrize("index_path", ["/simple/", "/simple/simple/", "/org/feed/simple/"])
@pytest.mark.parametrize("files_on", ["index", "files"])
async def test_links_lead_to_the_file(
    http: aiohttp.ClientSession, shape: str, index_path: str, files_on: str
) -> None:
    """Whatever the layout, the link on the page, resolved as a client does, gives the file with its hash."""
    async with Simulator(links=shape, index_path=index_path, files_on=files_on, formats=["html"]) as feed:
        feed.add("Demo", "demo-1.0+local.1-py3-none-any.whl", DATA)
        async with http.get(f"{feed.simple_url}demo/") as answer:
            (link,) = links(await answer.read(), str(answer.url))
        assert link.endswith(f"/demo-1.0%2Blocal.1-py3-none-any.whl#sha256={digest(DATA)}")
        async with http.get(link.partition("#")[0]) as answer:
            assert await answer.read() == DATA
        assert urlsplit(link).netloc == (feed.index_host if files_on == "index" else feed.file_host)


async def test_json_carries_every_field(http: aiohttp.ClientSession) -> None:
    """A page in JSON says what was said of the file, and leaves out what was not."""
    async with Simulator() as feed:
        file = feed.add(
            "demo", WHEEL, DATA, metadata=b"M", requires_python=">=3.9", yanked="broken", upload_time=None
        )
        feed.project("demo").status = {"status": "archived", "reason": "old"}
        async with http.get(f"{feed.simple_url}demo/", headers={"Accept": JSON}) as answer:
            assert answer.content_type == JSON
            page = json.loads(await answer.read())
        assert page["meta"] == {"api-version": "1.4"}
        assert page["project-status"] == {"status": "archived", "reason": "old"}
        assert page["versions"] == ["2.31.0"]
        assert page["files"] == [
            {
                "filename": WHEEL,
                "url": feed.file_url("demo", WHEEL),
                "hashes": {"sha256": digest(DATA)},
                "requires-python": ">=3.9",
                "size": len(DATA),
                "yanked": "broken",
                "core-metadata": {"sha256": digest(b"M")},
            }
        ]
        async with http.get(feed.file_url("demo", WHEEL) + ".metadata") as answer:
            assert await answer.read() == b"M"
        assert file.size == len(DATA)


async def test_html_carries_what_html_can(http: aiohttp.ClientSession) -> None:
    """A page in HTML has the attributes of PEP 503, 592 and 714, escaped, and the metas of PEP 629 and 792."""
    async with Simulator(formats=["html"]) as feed:
        feed.add("demo", WHEEL, DATA, requires_python=">=3.9", yanked='"<b>', core_metadata={"sha256": "ab"})
        feed.project("demo").status = {"status": "archived"}
        async with http.get(f"{feed.simple_url}demo/") as answer:
            page = await answer.read()
        anchor = LexborHTMLParser(page).css_first("a")
        assert anchor is not None
        assert anchor.attributes["data-requires-python"] == ">=3.9"
        assert anchor.attributes["data-yanked"] == '"<b>'
        assert anchor.attributes["data-core-metadata"] == "sha256=ab"
        assert b"&gt;=3.9" in page
        assert b'<meta name="pypi:repository-version" content="1.4">' in page
        assert b'<meta name="pypi:project-status" content="archived">' in page


async def test_project_list_and_names(http: aiohttp.ClientSession) -> None:
    """The root lists every project; other spellings and a missing slash lead to the page; the unknown is a 404."""
    async with Simulator(formats=["json"]) as feed:
        feed.project("Zope.Interface")
        feed.project("attrs")
        async with http.get(feed.simple_url) as answer:
            assert json.loads(await answer.read())["projects"] == [
                {"name": "attrs"},
                {"name": "zope-interface"},
            ]
        async with http.get(f"{feed.simple_url}Zope_Interface") as answer:
            assert str(answer.url) == f"{feed.simple_url}zope-interface/"
        async with http.get(f"{feed.simple_url}nothing/") as answer:
            assert answer.status == 404


async def test_gzip_pages(http: aiohttp.ClientSession) -> None:
    """A page is compressed for those who accept it, and each coding has a tag of its own."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        async with http.get(f"{feed.simple_url}demo/", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            coded, tag = gzip.decompress(await answer.read()), answer.headers["ETag"]
        async with http.get(f"{feed.simple_url}demo/", headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert (await answer.read()) == coded
            assert answer.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("validator", "header"), [("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")]
)
async def test_conditional_requests(http: aiohttp.ClientSession, validator: str, header: str) -> None:
    """An unchanged page is a 304 without a body; after a change it comes whole with another validator."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        url = f"{feed.simple_url}demo/"
        async with http.get(url) as answer:
            known = answer.headers[validator]
        async with http.get(url, headers={header: known}) as answer:
            assert answer.status == 304
            assert await answer.read() == b""
        feed.add("demo", "demo-3.0-py3-none-any.whl", b"new")
        async with http.get(url, headers={header: known}) as answer:
            assert answer.status == 200
            assert answer.headers[validator] != known


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=10-19", 206, 10, 20),
        ("bytes=262000-", 206, 262000, 262144),
        ("bytes=-16", 206, 262128, 262144),
        ("bytes=-9999999", 206, 0, 262144),
        ("bytes=0-1,5-6", 200, 0, 262144),
        ("lines=1-2", 200, 0, 262144),
    ],
)
async def test_ranges(http: aiohttp.ClientSession, asked: str, status: int, start: int, stop: int) -> None:
    """A range is answered as RFC 9110 says, with the length of the whole; what is not one range comes whole."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        async with http.get(feed.file_url("demo", WHEEL), headers={"Range": asked}) as answer:
            assert answer.status == status
            assert await answer.read() == DATA[start:stop]
            if status == 206:
                assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"


async def test_range_beyond_the_end_and_if_range(http: aiohttp.ClientSession) -> None:
    """Beyond the end is a 416 with the size; with If-Range a range is honoured only for the very same bytes."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        url = feed.file_url("demo", WHEEL)
        async with http.get(url, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")
            known = answer.headers["ETag"], answer.headers["Last-Modified"]
        for validator, status in [(known[0], 206), (known[1], 206), ('"other"', 200), ("W/" + known[0], 200)]:
            async with http.get(url, headers={"Range": "bytes=5-", "If-Range": validator}) as answer:
                assert answer.status == status


async def test_azure_feed(http: aiohttp.ClientSession) -> None:
    """An Azure-style feed has its oddities: GUID and trimmed version in the path, 405 to HEAD, a signed redirect."""
    async with Simulator.azure("s3cret") as feed:
        feed.add("demo", WHEEL, DATA, yanked=True, metadata=b"M", requires_python=">=3.8")
        async with http.get(f"{feed.simple_url}demo/", headers={"Accept": JSON, **pat("s3cret")}) as answer:
            assert answer.content_type == "text/html"
            assert "ETag" not in answer.headers
            page = await answer.read()
            (link,) = links(page, str(answer.url))
        assert b"yanked" not in page
        assert b"core-metadata" not in page
        url = link.partition("#")[0]
        assert "/pypi/download/demo/2.31/demo-2.31.0-" in url
        assert "/feed/" not in url
        async with http.head(url, headers=pat("s3cret")) as answer:
            assert answer.status == 405
        async with http.get(url + ".metadata", headers=pat("s3cret")) as answer:
            assert answer.status == 404
        async with http.get(url, headers={**pat("s3cret"), "Range": "bytes=1-2"}) as answer:
            assert answer.status == 206
            assert await answer.read() == DATA[1:3]
            assert answer.url.authority == feed.file_host
            assert "sig=" in answer.url.query_string
        assert [asked.authorization is None for asked in feed.asked("blob")] == [True]
        assert feed.count("file", method="GET") == 1


async def test_signed_urls_expire_and_refuse_credentials(http: aiohttp.ClientSession) -> None:
    """A signed URL opens nothing after its time, and nothing together with an Authorization header."""
    async with Simulator(signed=302) as feed:
        feed.add("demo", WHEEL, DATA)
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            signed = answer.url
        async with http.get(signed, headers=pat("leaked")) as answer:
            assert answer.status == 400
        feed.expire_signatures()
        async with http.get(signed) as answer:
            assert answer.status == 403
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            assert await answer.read() == DATA


async def test_credentials(http: aiohttp.ClientSession) -> None:
    """Only the present credential opens the index and its files, and a rotated PAT does from then on."""
    bearer = {"Authorization": "Bearer t0ken"}
    basic = {"Authorization": aiohttp.encode_basic_auth("me", "pw")}
    async with Simulator(pat="old") as feed:
        feed.add("demo", WHEEL, DATA)

        async def status(headers: dict[str, str]) -> set[int]:
            seen = set()
            for url in (feed.simple_url, f"{feed.simple_url}demo/", feed.file_url("demo", WHEEL)):
                async with http.get(url, headers=headers) as answer:
                    seen.add(answer.status)
            return seen

        assert await status(pat("old")) == {200}
        assert (
            await status({})
            == await status(pat("new"))
            == await status({"Authorization": "Basic ?"})
            == {401}
        )
        feed.rotate("new")
        assert await status(pat("old")) == {401}
        assert await status(pat("new")) == {200}
        others: list[tuple[Credential, dict[str, str]]] = [
            (Basic("me", "pw"), basic),
            (Bearer("t0ken"), bearer),
        ]
        for credential, headers in others:
            feed.shape.credential = credential
            assert await status(headers) == {200}
            assert await status(pat("new")) == {401}
        feed.shape.credential = Pat("new")
        assert {asked.authorization for asked in feed.requests} >= {None, "Bearer t0ken"}


@pytest.mark.parametrize("refusal", ["401", "403", "203", "302"])
async def test_refusals(http: aiohttp.ClientSession, refusal: str) -> None:
    """A bad PAT is answered with a challenge, a ban, or a sign-in page that looks like success."""
    async with Simulator(pat="good", refusal=refusal) as feed:
        async with http.get(feed.simple_url, allow_redirects=False) as answer:
            assert answer.status == int(refusal)
            assert ("WWW-Authenticate" in answer.headers) == (refusal in {"401", "403"})
            assert (b"Sign in" in await answer.read()) == (refusal == "203")
        async with http.get(feed.simple_url) as answer:
            assert (b"Sign in" in await answer.read()) == (refusal in {"203", "302"})


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (faults.cut(1000), 1),
        (faults.cut(1000, chunked=True), 1),
        (faults.reset(1000), 1),
        (faults.reset(), 2),  # the client tries once more by itself when nothing was answered
    ],
)
async def test_cut_bodies_are_errors(http: aiohttp.ClientSession, fault: faults.Fault, times: int) -> None:
    """A cut body is seen as broken by an HTTP client, as often as was said and no more."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        rule = feed.misbehave(fault, "*.whl", times=times)
        with pytest.raises(aiohttp.ClientError):
            async with http.get(feed.file_url("demo", WHEEL)) as answer:
                await answer.read()
        assert rule.struck == times
        assert not feed.requests[0].whole
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            assert await answer.read() == DATA
        assert feed.requests[-1].sent == len(DATA)


async def test_cuts_that_http_does_not_show(http: aiohttp.ClientSession) -> None:
    """A body that ends with its connection, and a gzip body cut before it was announced, look whole to HTTP."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        feed.misbehave(faults.until_closed(1000), "*.whl")
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            assert answer.content_length is None
            assert "Transfer-Encoding" not in answer.headers
            assert await answer.read() == DATA[:1000]
        feed.misbehave(faults.gzip_cut(60), "*/demo/")
        async with http.get(f"{feed.simple_url}demo/", headers={"Accept-Encoding": "gzip"}) as answer:
            assert len(await answer.read()) == answer.content_length == 60
            assert answer.headers["Content-Encoding"] == "gzip"


async def test_wrong_bytes_and_wrong_ranges(http: aiohttp.ClientSession) -> None:
    """A flipped byte is wrong at its offset also within a range; ranges can be ignored or mislabelled; files grow."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        url, part = feed.file_url("demo", WHEEL), {"Range": "bytes=100-199"}

        async def read(fault: faults.Fault, headers: dict[str, str]) -> tuple[int, bytes, str | None]:
            feed.behave()
            feed.misbehave(fault, "*.whl")
            async with http.get(url, headers=headers) as answer:
                return answer.status, await answer.read(), answer.headers.get("Content-Range")

        _, body, _ = await read(faults.flip(150), part)
        assert [at for at in range(100) if body[at] != DATA[100 + at]] == [50]
        _, body, _ = await read(faults.flip(5), part)
        assert body == DATA[100:200]
        assert await read(faults.ignoring_ranges(), part) == (200, DATA, None)
        assert (await read(faults.content_range("bytes 0-99/262144"), part))[2] == "bytes 0-99/262144"
        assert (await read(faults.longer(7), {}))[1] == DATA + bytes(7)


async def test_other_headers_and_codings(http: aiohttp.ClientSession) -> None:
    """Headers can be changed and left out, a file sent in chunks or needlessly coded, and two faults at once."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        url, gate = feed.file_url("demo", WHEEL), Gate()
        feed.misbehave(faults.headers({"ETag": '"other"'}), times=1)
        feed.misbehave(faults.without_headers("etag"), times=1)
        feed.misbehave(faults.chunked(), times=1)
        feed.misbehave(faults.gzip_file(), times=1)
        feed.misbehave(faults.both(faults.hold(gate, at=10), faults.cut(20)), times=1)
        async with http.get(url) as answer:
            assert answer.headers["ETag"] == '"other"'
        async with http.get(url) as answer:
            assert "ETag" not in answer.headers
            assert "Last-Modified" in answer.headers
        async with http.get(url) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert await answer.read() == DATA
        async with http.get(url) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await answer.read()) == DATA
        async with http.get(url) as answer:
            assert await answer.content.readexactly(10) == DATA[:10]
            gate.open()
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_said_instead(http: aiohttp.ClientSession) -> None:
    """Statuses, delays asked for, other pages, bombs, redirects and loops come as they were ordered, in order."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        url = f"{feed.simple_url}demo/"
        feed.misbehave(faults.status(503, retry_after=7), times=1)
        feed.misbehave(faults.say(b"welcome", "text/plain"), times=1)
        feed.misbehave(faults.gzip_bomb(10_000_000), times=1)
        feed.misbehave(faults.redirect("http://169.254.169.254/latest/", 307), times=1)
        feed.misbehave(faults.redirect_loop())
        async with http.get(url) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
        async with http.get(url) as answer:
            assert await answer.read() == b"welcome"
        async with http.get(url) as answer:
            page = await answer.read()
            assert len(page) < 20_000 < len(gzip.decompress(page))
        async with http.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, "http://169.254.169.254/latest/")
        with pytest.raises(aiohttp.TooManyRedirects):
            await http.get(url)


@pytest.mark.parametrize("at", [0, 100_000])
async def test_gate_holds_a_body_in_the_middle(http: aiohttp.ClientSession, at: int) -> None:
    """A held body stops where it was said and goes on when the gate opens; other requests are not held."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        gate = Gate()
        feed.misbehave(faults.hold(gate, at=at), "*.whl", times=1)
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            await gate.reached()
            assert feed.requests[0].sent == at
            assert await answer.content.readexactly(at) == DATA[:at]
            async with http.get(feed.simple_url) as other:
                assert other.status == 200
            gate.open()
            assert await answer.read() == DATA[at:]
        assert feed.requests[0].whole


async def test_a_trickle_is_the_whole_body_byte_by_byte(http: aiohttp.ClientSession) -> None:
    """A body that trickles comes to its end, and what was sent of it is written down after each byte."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA[:20])
        feed.misbehave(faults.trickle(0.001), "*.whl")
        async with http.get(feed.file_url("demo", WHEEL)) as answer:
            assert await answer.content.readexactly(1) == DATA[:1]
            assert feed.asked("file")[0].sent < 20
            assert await answer.content.read() == DATA[1:20]


async def test_gate_before_the_answer_survives_a_client_that_leaves(http: aiohttp.ClientSession) -> None:
    """A client that gives up at a gate takes nobody with it, and the gate still opens."""
    async with Simulator() as feed:
        gate = Gate()
        feed.misbehave(faults.hold(gate), times=2)
        first = asyncio.create_task(http.get(feed.simple_url))
        await gate.reached()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(http.get(feed.simple_url))
        gate.open()
        async with await second as answer:
            assert answer.status == 200
        assert feed.requests[0].status == 0


async def test_down_and_up_on_the_same_port(http: aiohttp.ClientSession) -> None:
    """A stopped simulator refuses connections, and answers at the same addresses when it is started again."""
    async with Simulator() as feed:
        feed.add("demo", WHEEL, DATA)
        before = feed.simple_url, feed.file_host
        await feed.stop()
        for url in (feed.simple_url, f"http://{feed.file_host}/"):
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(url)
        await feed.start()
        assert (feed.simple_url, feed.file_host) == before
        async with http.get(feed.simple_url) as answer:
            assert answer.status == 200


def test_on_a_thread_of_its_own() -> None:
    """A synchronous test steers a running simulator: adds, holds, stops and starts it."""
    gate = Gate()
    with running_simulator(Simulator()) as feed:
        feed.add("demo", WHEEL, DATA)
        feed.misbehave(faults.hold(gate, at=10), "*.whl")

        async def read() -> bytes:
            async with (
                aiohttp.ClientSession() as session,
                session.get(feed.file_url("demo", WHEEL)) as answer,
            ):
                reading = asyncio.create_task(answer.read())
                await asyncio.to_thread(gate.wait_until_reached, 10)
                gate.open()
                return await reading

        assert asyncio.run(read()) == DATA
        feed.take_down()
        with pytest.raises(aiohttp.ClientConnectorError):
            asyncio.run(read())
        feed.bring_up()
        assert asyncio.run(read()) == DATA
