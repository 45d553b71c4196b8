"""A file comes as its bytes, from where it was asked for, to its announced end, or it is a failure."""

import asyncio
from dataclasses import replace
from hashlib import shake_128

import pytest

from mirror.errors import Corrupt, FileNotFound, Rejected, Throttled, Unreachable, WheelkeepError
from mirror.ports import Body
from mirror.upstream.body import SMALLEST_PIECE_BYTES
from mirror.upstream.client import UpstreamClient
from mirror.upstream.inflow import ROOM_BYTES
from tests.mirror.upstream.conftest import QUICK, TOKEN, Bench, pat
from tests.simulator import Gate, Simulator, faults
from tests.simulator.faults import Fault

NAME = "demo-1.0-py3-none-any.whl"
DATA = shake_128(b"wheel").digest(3_000_000)
FILES = "*.whl"


def _filled(feed: Simulator) -> str:
    feed.add("demo", NAME, DATA)
    return feed.file_url("demo", NAME)


async def _read(body: Body) -> bytes:
    return b"".join([bytes(piece) async for piece in body.chunks()])


async def _collect(body: Body, received: bytearray) -> None:
    async for piece in body.chunks():
        received += piece


async def _fetch(
    client: UpstreamClient, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
) -> bytes:
    async with client.open_file(url, start=start, stop=stop, validator=validator) as body:
        return await _read(body)


@pytest.fixture(autouse=True, params=[QUICK.long_body_bytes, 1], ids=["short", "long"])
def lengths(request: pytest.FixtureRequest, bench: Bench) -> None:
    """Let each test see bodies that aiohttp brings to their end, and again such as have their connection to themselves."""
    bench.long_body_bytes = request.param


async def test_a_file_comes_whole(bench: Bench) -> None:
    """The bytes, their number and a validator to go on with arrive, and one event tells of it."""
    async with Simulator() as feed:
        url = _filled(feed)
        async with bench.client(feed.simple_url).open_file(url) as body:
            assert (body.start, body.total) == (0, len(DATA))
            assert body.validator is not None
            assert body.validator.startswith('"')
            assert await _read(body) == DATA
        [asked] = feed.requests
        assert asked.method == "GET"
        assert asked.headers["Accept-Encoding"] == "identity"
        assert "Range" not in asked.headers
        assert bench.outcomes == [("file", "ok")]
        assert bench.calls[0].received == len(DATA)


async def test_pieces_are_worth_handling(bench: Bench) -> None:
    """However small the pieces on the wire, all but the last are of 64 KiB to 1 MiB when they keep coming."""
    async with Simulator() as feed:
        url = _filled(feed)
        async with bench.client(feed.simple_url).open_file(url) as body:
            sizes = [len(piece) async for piece in body.chunks()]
        assert max(sizes) <= ROOM_BYTES
        assert len(sizes) <= len(DATA) / SMALLEST_PIECE_BYTES + 1


async def test_bytes_are_handed_on_while_the_rest_is_awaited(bench: Bench) -> None:
    """What has come is not held back for what has not: a reader gets the first bytes of a body that pauses."""
    async with Simulator() as feed:
        url = _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate, 1_000), FILES)
        async with bench.client(feed.simple_url).open_file(url) as body:
            chunks = body.chunks()
            assert await anext(chunks) == DATA[:1_000]
            gate.open()
            assert b"".join([bytes(piece) async for piece in chunks]) == DATA[1_000:]


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (0, 1_000), (1_000, 2_000), (2_999_999, None), (1_000_000, None), (100, 9_000_000)],
)
async def test_a_part_is_that_part(bench: Bench, start: int, stop: int | None) -> None:
    """Bytes [start, stop) come, with the size of the whole, and no more are sent than were asked for."""
    async with Simulator() as feed:
        url = _filled(feed)
        async with bench.client(feed.simple_url).open_file(url, start=start, stop=stop) as body:
            assert (body.start, body.total) == (start, len(DATA))
            assert await _read(body) == DATA[start:stop]
        assert feed.requests[-1].sent == len(DATA[start:stop])
        assert bench.outcomes == [("range", "ok")]


async def test_a_range_may_be_answered_whole(bench: Bench) -> None:
    """An upstream without ranges gives the file from its beginning, and says so."""
    async with Simulator(ranges=False) as feed:
        url = _filled(feed)
        async with bench.client(feed.simple_url).open_file(url, start=1_000) as body:
            assert (body.start, body.total) == (0, len(DATA))
            assert await _read(body) == DATA


@pytest.mark.parametrize("validators", [("etag",), ("date",), ("etag", "date")])
async def test_a_file_is_continued_only_when_it_is_the_same(
    bench: Bench, validators: tuple[str, ...]
) -> None:
    """With its validator an unchanged file goes on where it stopped; a changed one comes whole."""
    async with Simulator(validators=validators) as feed:
        url = _filled(feed)
        client = bench.client(feed.simple_url)
        async with client.open_file(url) as body:
            validator = body.validator
        assert validator is not None
        async with client.open_file(url, start=1_000, validator=validator) as body:
            assert body.start == 1_000
        feed.add("demo", NAME, DATA[::-1])
        async with client.open_file(url, start=1_000, validator=validator) as body:
            assert body.start == 0
            assert await _read(body) == DATA[::-1]


async def test_a_server_that_ignores_if_range_is_asked_again(bench: Bench) -> None:
    """A part that carries another ETag than the file that was begun is thrown away, and the file comes whole."""
    async with Simulator() as feed:
        url = _filled(feed)
        client = bench.client(feed.simple_url)
        feed.misbehave(faults.headers({"ETag": '"another"'}), FILES)
        # Its server takes this validator for the right one, and still says that the file has another.
        async with client.open_file(url, start=1_000, validator=await _etag(feed, client, url)) as body:
            assert body.start == 0
            assert await _read(body) == DATA
        assert [asked.status for asked in feed.asked("file")][-2:] == [206, 200]
        assert bench.outcomes[-1] == ("range", "ok")


async def _etag(feed: Simulator, client: UpstreamClient, url: str) -> str:
    [rule] = feed.rules
    feed.behave()
    async with client.open_file(url) as body:
        assert body.validator is not None
        etag = body.validator
    feed.rules.append(rule)
    return etag


@pytest.mark.parametrize(
    ("fault", "start", "leaf", "words"),
    [
        (faults.status(404), 0, FileNotFound, "has nothing at http"),
        (faults.status(410), 0, FileNotFound, "has nothing at http"),
        (faults.status(401), 0, Rejected, "no connection matches"),
        (faults.status(403), 0, Rejected, "no connection matches"),
        (faults.sign_in_page(203), 0, Rejected, "sign-in page"),
        (faults.sign_in_page(200), 0, Rejected, "sign-in page"),
        (faults.redirect("/_signin?to=x"), 0, Rejected, "sign-in page"),
        (faults.redirect("https://app.vssps.invalid/oauth"), 0, Rejected, "sign-in page"),
        (
            faults.say(b"\n<!DOCTYPE html><title>Welcome</title>"),
            0,
            Unreachable,
            "a web page in place of a file",
        ),
        (faults.status(429, retry_after=7), 0, Throttled, "left alone"),
        (faults.status(500), 0, Unreachable, "HTTP 500"),
        (faults.status(503), 0, Unreachable, "HTTP 503"),
        (faults.status(204), 0, Unreachable, "HTTP 204"),
        (faults.status(206), 0, Unreachable, "HTTP 206"),
        (faults.status(416), 0, Unreachable, "HTTP 416"),
        (faults.status(416), 10, Corrupt, "not as long as"),
        (faults.gzip_file(), 0, Unreachable, "content coding"),
        (faults.content_range("bytes 0-9/3000000"), 10, Unreachable, "another part"),
        (faults.content_range("bytes 10-20/3000000"), 10, Unreachable, "another part"),
        (faults.content_range("bytes 10-2999999/*"), 11, Unreachable, "another part"),
        (faults.content_range("bytes 10-3000099/3000100"), 10, Unreachable, "contradicts"),
        (
            faults.headers({"Content-Type": "multipart/byteranges; boundary=x"}),
            10,
            Unreachable,
            "several parts",
        ),
        (faults.without_headers("Content-Range"), 10, Unreachable, "without saying which"),
    ],
)
async def test_an_answer_that_is_no_file_is_an_error(
    bench: Bench, fault: Fault, start: int, leaf: type[WheelkeepError], words: str
) -> None:
    """Each answer that is not the file raises the leaf that says what it is, on entering, after one request."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(fault, FILES)
        client = bench.client(feed.simple_url)
        with pytest.raises(leaf, match=words):
            async with client.open_file(url, start=start):
                pytest.fail("It was taken for a file.")
        assert feed.count("file") == 1
        feed.behave()
        bench.now += 60
        assert await _fetch(client, url, start=start) == DATA[start:]


async def test_no_answer_at_all_is_a_failure(bench: Bench) -> None:
    """A connection that is reset before the answer is `Unreachable`, and not tried again for long."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(faults.reset(), FILES)
        with pytest.raises(Unreachable, match="connection"):
            await _fetch(bench.client(feed.simple_url), url)
        # aiohttp repeats a request once by itself: it cannot tell a reset from an idle connection that was closed.
        assert feed.count("file") <= 2


async def test_a_range_beyond_the_end_is_corrupt(bench: Bench) -> None:
    """A file that is shorter than it was thought to be is not the file."""
    async with Simulator() as feed:
        url = _filled(feed)
        with pytest.raises(Corrupt):
            await _fetch(bench.client(feed.simple_url), url, start=len(DATA))
        assert bench.outcomes == [("range", "ok")]


@pytest.mark.parametrize(
    "fault",
    [
        faults.cut(2_000_000),
        faults.cut(2_000_000, chunked=True),
        faults.reset(2_000_000),
        faults.cut(0),
    ],
)
async def test_a_body_that_breaks_says_so(bench: Bench, fault: Fault) -> None:
    """A body that ends before its end raises, with what came being right, and the call is told as a failure."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(fault, FILES)
        received = bytearray()
        async with bench.client(feed.simple_url).open_file(url) as body:
            with pytest.raises(Unreachable, match=r"broke off|lost the connection"):
                await _collect(body, received)
        assert DATA.startswith(bytes(received))
        assert len(received) <= 2_000_000
        assert bench.outcomes == [("file", "unreachable")]


async def test_a_part_in_chunks_must_be_complete(bench: Bench) -> None:
    """A part without a length is still held to its Content-Range: shorter and longer ones are failures."""
    async with Simulator() as feed:
        url = _filled(feed)
        client = bench.client(feed.simple_url)
        lies = faults.content_range("bytes 10-2999999/3000000")
        feed.misbehave(faults.both(lies, faults.until_closed(500)), FILES, times=1)
        with pytest.raises(Unreachable, match="broke off"):
            await _fetch(client, url, start=10)
        feed.misbehave(faults.both(faults.longer(5), faults.chunked()), FILES, times=1)
        with pytest.raises(Unreachable, match="more than it announced"):
            await _fetch(client, url, start=10)


async def test_a_trickle_is_given_up(bench: Bench) -> None:
    """A body that comes slower than the limit is a failure although it never falls silent; its last bytes are not."""
    async with Simulator() as feed:
        url = _filled(feed)
        limits = replace(QUICK, slow_window_seconds=0, slow_bytes_per_second=1e15)
        client = bench.client(feed.simple_url, limits=limits)
        with pytest.raises(Unreachable, match="too slowly"):
            await _fetch(client, url)
        assert await _fetch(client, url, start=len(DATA) - 1) == DATA[-1:]


async def test_a_body_ended_by_closing_has_no_total(bench: Bench) -> None:
    """Without a length the bytes come, and nothing is claimed about how many there are."""
    async with Simulator() as feed:
        url = _filled(feed)
        feed.misbehave(faults.until_closed(), FILES)
        async with bench.client(feed.simple_url).open_file(url) as body:
            assert body.total is None
            assert await _read(body) == DATA


async def test_an_empty_file_is_one(bench: Bench) -> None:
    """A file of no bytes is not a broken one."""
    async with Simulator() as feed:
        feed.add("demo", NAME, b"")
        assert await _fetch(bench.client(feed.simple_url), feed.file_url("demo", NAME)) == b""


@pytest.mark.parametrize("at", [None, 0, 1_000_000])
async def test_silence_ends_in_time(bench: Bench, at: int | None) -> None:
    """A file that stalls before its answer, after its headers or in its middle is given up."""
    async with Simulator() as feed:
        url = _filled(feed)
        gate = Gate()
        feed.misbehave(faults.hold(gate, at), FILES)
        limits = replace(QUICK, connect_seconds=0.05, first_byte_seconds=0.1, between_bytes_seconds=0.1)
        with pytest.raises(Unreachable, match="in time"):
            await _fetch(bench.client(feed.simple_url, limits=limits), url)
        gate.open()


async def test_a_reader_that_leaves_early_costs_nothing(bench: Bench) -> None:
    """A reader that stops, fails or is cancelled frees its place, and the upstream is not blamed."""
    async with Simulator() as feed:
        url = _filled(feed)
        client = bench.client(feed.simple_url, limits=replace(QUICK, connections=1))
        async with client.open_file(url) as body:
            await anext(body.chunks())
        with pytest.raises(KeyError):
            async with client.open_file(url) as body:
                raise KeyError
        gate = Gate()
        feed.misbehave(faults.hold(gate, 1_000), FILES, times=1)
        waiting = asyncio.create_task(_fetch(client, url))
        await gate.reached()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await _fetch(client, url) == DATA
        assert {outcome for _, outcome in bench.outcomes} == {"ok"}
        gate.open()


async def test_a_slow_reader_holds_the_upstream_back(bench: Bench) -> None:
    """What a reader does not take is not pulled: memory stays bounded however large the file is."""
    async with Simulator() as feed:
        feed.add("demo", NAME, b"x" * 64_000_000)
        async with bench.client(feed.simple_url).open_file(feed.file_url("demo", NAME)) as body:
            await anext(body.chunks())
            [asked] = feed.requests
            before = -1
            # The upstream goes on until its socket is full, and then it stands still.
            while before < asked.sent:
                before = asked.sent
                for _ in range(200):
                    await asyncio.sleep(0)
            assert asked.sent < 32_000_000


@pytest.mark.parametrize("redirect", [301, 302, 303, 307, 308])
async def test_azure_files_come_through_their_redirect(bench: Bench, redirect: int) -> None:
    """A file under the feed's GUID is asked with the feed's PAT, its signed target without, ranges too, HEAD never."""
    async with Simulator.azure(pat=TOKEN, redirect=redirect) as feed:  # type: ignore[arg-type]
        url = _filled(feed)
        client = bench.client(feed.simple_url, pat(feed.simple_url), file_hosts=[feed.file_host])
        assert await _fetch(client, url) == DATA
        async with client.open_file(url, start=500, stop=600) as body:
            assert (body.start, body.total) == (500, len(DATA))
            assert await _read(body) == DATA[500:600]
        assert [asked.kind for asked in feed.requests] == ["file", "blob"] * 2
        assert all(asked.authorization for asked in feed.asked("file"))
        assert not any(asked.authorization for asked in feed.asked("blob"))
        assert {asked.method for asked in feed.requests} == {"GET"}


async def test_a_signed_target_is_not_remembered(bench: Bench) -> None:
    """When signatures expire the next request goes through the feed again, and gets a new one."""
    async with Simulator.azure(pat=TOKEN) as feed:
        url = _filled(feed)
        client = bench.client(feed.simple_url, pat(feed.url), file_hosts=[feed.file_host])
        assert await _fetch(client, url) == DATA
        feed.expire_signatures()
        assert await _fetch(client, url) == DATA


async def test_a_signature_that_is_refused_does_not_blame_the_pat(bench: Bench) -> None:
    """403 from the blob host is an upstream that failed: the PAT was accepted before."""
    async with Simulator.azure(pat=TOKEN) as feed:
        url = _filled(feed)
        feed.misbehave(faults.status(403), "/signed/*")
        with pytest.raises(Unreachable, match="refuses the link that the upstream redirected to"):
            await _fetch(bench.client(feed.simple_url, pat(feed.url), file_hosts=[feed.file_host]), url)
