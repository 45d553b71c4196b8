"""Distribution files over the wire: held, cold, in part, broken."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from mirror.errors import Corrupt, Refused, StoreError, Unreachable, WheelkeepError
from mirror.model import File
from proxy.middleware import TRAFFIC
from proxy.views import sending
from tests.proxy.memory import (
    LAST_MODIFIED,
    House,
    MemoryArriving,
    assemble,
    read_all,
    read_reply,
    read_to_the_end,
)

WHEEL = "demo_pkg-1.0-py3-none-any.whl"
PATH = f"/files/demo-pkg/{WHEEL}"
SMALL = b"".join(number.to_bytes(4) for number in range(250))
LARGE = b"".join(number.to_bytes(4) for number in range(1_310_740))


def digest(data: bytes) -> str:
    """Name bytes by their digest."""
    return sha256(data).hexdigest()


def hold(house: House, data: bytes, filename: str = WHEEL) -> str:
    """Hold a file; give its entity tag."""
    house.index.add("demo-pkg", house.files.hold(filename, data))
    return f'"{digest(data)}"'


def announce(
    house: House, data: bytes, *, sized: bool = True, listed: bool = True, **stream: object
) -> MemoryArriving:
    """List a file that is not held, and put it on its way."""
    hashes = {"sha256": digest(data)} if listed else {}
    house.index.add("demo-pkg", File(filename=WHEEL, url="", hashes=hashes))
    arriving = MemoryArriving(data, len(data) if sized else None, **stream)  # type: ignore[arg-type]
    house.files.arriving[WHEEL] = arriving
    return arriving


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the server does on its own; bounded, so that a failure is one."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not happen.")


@pytest.mark.parametrize("data", [SMALL, LARGE, b""])
@pytest.mark.parametrize("prefix", ["", "/default"])
async def test_a_held_file_comes_whole(house: House, prefix: str, data: bytes) -> None:
    """A held file, small, large or empty, is its bytes with exactly the header fields that it should have."""
    tag = hold(house, data)
    reply = await house.ask(prefix + PATH, {"Accept-Encoding": "gzip, deflate, zstd"})
    assert (reply.status, reply.whole) == (200, True)
    assert reply.body == data
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(data)),
        "Cache-Control": "public, max-age=365000000, immutable",
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Last-Modified": LAST_MODIFIED,
        "X-Content-Type-Options": "nosniff",
        "Server": "wheelkeep",
        "Connection": "close",
    }
    rest = {"Date", "X-Request-ID"}
    assert {field: value for field, value in reply.headers.items() if field not in rest} == expected
    assert house.files.asked == {"obtain": 1}


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_head_of_a_held_file_is_get_without_the_body(house: House, data: bytes) -> None:
    """HEAD has the header fields of GET, and a Range on it changes nothing."""
    hold(house, data)
    got = await house.ask(PATH, {"X-Request-ID": "same"})
    headed = await house.ask(PATH, {"X-Request-ID": "same", "Range": "bytes=0-1"}, method="HEAD")
    assert (headed.status, headed.body) == (200, b"")
    assert {**headed.headers, "Date": ""} == {**got.headers, "Date": ""}


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("way", ["sendfile", "reads"])
@pytest.mark.parametrize("asked", ["bytes=10-19", "bytes=500-", "bytes=-300", "bytes=-99999999", "bytes=0-"])
async def test_a_part_of_a_held_file(
    house: House, monkeypatch: pytest.MonkeyPatch, asked: str, way: str, data: bytes
) -> None:
    """A range is 206 with just those bytes, by sendfile and by reads alike."""
    if way == "reads":
        monkeypatch.setattr(sending, "_takes_sendfile", lambda _request: False)
    tag = hold(house, data)
    first, last = asked.removeprefix("bytes=").split("-")
    start = int(first) if first else max(len(data) - int(last), 0)
    stop = int(last) + 1 if first and last else len(data)
    reply = await house.ask(PATH, {"Range": asked})
    assert (reply.status, reply.whole) == (206, True)
    assert reply.body == data[start:stop]
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(data)}"
    assert reply.headers["ETag"] == tag


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=-0"])
async def test_a_part_that_is_not_there(house: House, asked: str) -> None:
    """A range outside of the file is 416 that tells the size and may not be stored."""
    hold(house, SMALL)
    reply = await house.ask(PATH, {"Range": asked})
    assert reply.status == 416
    assert reply.headers["Content-Range"] == "bytes */1000"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-2", "lines=1-2", "bytes=x"])
async def test_what_is_no_single_range_is_the_whole(house: House, asked: str) -> None:
    """Several ranges, and what is malformed, are answered with the whole file."""
    hold(house, SMALL)
    reply = await house.ask(PATH, {"Range": asked})
    assert (reply.status, reply.body) == (200, SMALL)


@pytest.mark.parametrize(
    ("validator", "status"),
    [
        ("{tag}", 206),
        (LAST_MODIFIED, 206),
        ('"nope"', 200),
        ("W/{tag}", 200),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 200),
    ],
)
async def test_a_part_is_never_glued_to_another_file(house: House, validator: str, status: int) -> None:
    """If-Range gives a part only to who has the rest of these very bytes."""
    tag = hold(house, SMALL)
    reply = await house.ask(PATH, {"Range": "bytes=10-", "If-Range": validator.format(tag=tag)})
    assert reply.status == status
    assert reply.body == (SMALL[10:] if status == 206 else SMALL)


@pytest.mark.parametrize(
    "condition",
    [{"If-None-Match": "{tag}"}, {"If-None-Match": '"x", W/{tag}'}, {"If-Modified-Since": LAST_MODIFIED}],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_that_the_client_has_is_304(
    house: House, method: str, condition: dict[str, str]
) -> None:
    """A conditional request for what the client has gets 304 with the tag and the lifetime, and no body."""
    tag = hold(house, SMALL)
    asked = {field: value.format(tag=tag) for field, value in condition.items()}
    reply = await house.ask(PATH, asked, method=method)
    assert (reply.status, reply.whole) == (304, True)
    assert reply.headers["ETag"] == tag
    assert reply.headers["Cache-Control"] == "public, max-age=365000000, immutable"
    assert "Date" in reply.headers


async def test_a_precondition_that_does_not_hold_is_412(house: House) -> None:
    """If-Match with another tag is 412 with a sentence."""
    hold(house, SMALL)
    assert (await house.ask(PATH, {"If-Match": '"x"'})).status == 412


@pytest.mark.parametrize("sign", ["%2B", "%2b", "+"])
async def test_a_plus_is_a_plus(house: House, sign: str) -> None:
    """The `+` of a local version is found encoded and raw, and is never a space."""
    hold(house, SMALL, "demo_pkg-1.0+cu12-py3-none-any.whl")
    reply = await house.ask(f"/files/demo-pkg/demo_pkg-1.0{sign}cu12-py3-none-any.whl")
    assert (reply.status, reply.body) == (200, SMALL)


async def test_a_project_is_found_under_any_spelling(house: House) -> None:
    """A file URL that someone wrote with another spelling of the project leads to the file."""
    hold(house, SMALL)
    assert (await house.ask(f"/files/Demo.Pkg/{WHEEL}")).body == SMALL


@pytest.mark.parametrize(
    "path",
    [
        "/files/demo-pkg/..",
        "/files/demo-pkg/%2e%2e",
        "/files/demo-pkg/..%2f..%2fetc%2fpasswd",
        "/files/demo-pkg/%252e%252e%252fx.whl",
        "/files/demo-pkg/a%00.whl",
        "/files/demo-pkg/a%0d%0aX-Evil:1.whl",
        "/files/demo-pkg/a%5cb.whl",
        "/files/demo-pkg/.metadata",
        "/files/demo-pkg/..metadata",
        "/files/demo-pkg/%E2%98%83.whl",
        f"/files/demo-pkg/{'a' * 260}.whl",
        f"/files/-bad-/{WHEEL}",
        f"/files/demo-pkg//{WHEEL}",
        "/files/demo-pkg/",
        "/files/demo-pkg",
        "/files/",
        f"/nowhere/files/demo-pkg/{WHEEL}",
    ],
)
async def test_what_is_no_file_name_is_404_and_nobody_is_asked(house: House, path: str) -> None:
    """A path that can name no file is 404 without a question to any index."""
    reply = await house.ask(path)
    assert reply.status == 404
    assert not house.index.asked
    assert "X-Evil" not in reply.headers


async def test_an_unknown_file_is_404(house: House) -> None:
    """A file that the project does not have is 404 with its sentence."""
    house.index.add("demo-pkg")
    reply = await house.ask(PATH)
    assert (reply.status, reply.body) == (404, f"The project demo-pkg has no file {WHEEL}.\n".encode())


@pytest.mark.parametrize("sized", [True, False])
async def test_a_cold_file_is_streamed(house: House, *, sized: bool) -> None:
    """A file on its way comes whole, with a tag of its own, and may not be stored; its length is told when known."""
    announce(house, LARGE, sized=sized)
    reply = await house.ask(PATH)
    assert (reply.status, reply.whole) == (200, True)
    assert reply.body == LARGE
    assert reply.headers["ETag"] == '"u-1"'
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert "Last-Modified" not in reply.headers
    assert ("Content-Length" in reply.headers) is sized


async def test_a_cold_file_arrives_while_it_is_fetched(house: House) -> None:
    """The client has the first bytes while the last ones are still to come."""
    gate = asyncio.Semaphore(1)
    arriving = announce(house, LARGE, gate=gate)
    reader, writer = await house.open(PATH)
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(64 * 1024) == LARGE[: 64 * 1024]
    assert not arriving.closed.is_set()
    for _ in range(len(LARGE) // arriving.piece):
        gate.release()
    assert await read_all(reader) == LARGE[64 * 1024 :]
    writer.close()


@pytest.mark.parametrize(
    ("failure", "sized"),
    [
        (Corrupt("Wrong bytes."), True),
        (Corrupt("Wrong bytes."), False),
        (Unreachable("feed", "It broke."), True),
        (OSError("disk"), False),
        (None, True),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_what_breaks_off_never_ends_properly(
    house: House, version: str, failure: Exception | None, *, sized: bool
) -> None:
    """A stream that fails or just stops in the middle resets the connection, however its end would be framed."""
    gate = asyncio.Semaphore(2)
    announce(house, LARGE, sized=sized, broken_after=2, failure=failure, gate=gate)
    reader, writer = await house.open(PATH, version=version)
    await reader.readuntil(b"\r\n\r\n")
    received = bytearray()
    while len(received) < 2 * 64 * 1024:
        received += await reader.read(64 * 1024)
    gate.release()
    rest, reset = await read_to_the_end(reader)
    writer.close()
    assert reset
    assert len(received) + len(rest) < len(LARGE)


async def test_a_connection_error_from_below_is_no_proper_end(house: House) -> None:
    """An error that only looks like a client's going away still breaks the answer off."""
    announce(house, LARGE, sized=False, broken_after=1, failure=ConnectionResetError("of the upstream"))
    assert not (await house.ask(PATH)).whole


async def test_more_bytes_than_announced_never_end_properly(house: House) -> None:
    """A stream that exceeds its announced length is broken off before its end."""
    arriving = announce(house, LARGE)
    arriving.size = 100_000
    reply = await house.ask(PATH)
    assert not reply.whole


@pytest.mark.parametrize(
    ("failure", "status"),
    [(Corrupt("Wrong bytes."), 424), (Unreachable("feed", "It broke."), 503), (StoreError("Full."), 503)],
)
async def test_what_fails_at_once_is_a_real_status(
    house: House, failure: WheelkeepError, status: int
) -> None:
    """A download that fails before its first byte is an answer and not a broken connection."""
    announce(house, LARGE, broken_after=0, failure=failure)
    reply = await house.ask(PATH)
    assert (reply.status, reply.body) == (status, f"{failure}\n".encode())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_cannot_be_had_says_why(house: House, method: str) -> None:
    """A refusal reaches the client as 403 with its sentence as the reason phrase."""
    announce(house, LARGE)
    house.files.failure = Refused("The file lies at a host that is not allowed.")
    reply = await house.ask(PATH, method=method)
    assert (reply.status, reply.reason) == (403, "The file lies at a host that is not allowed.")


async def test_head_of_a_cold_file_asks_for_its_size_alone(house: House) -> None:
    """HEAD of a file that is not held tells its length without fetching it."""
    announce(house, LARGE)
    reply = await house.ask(PATH, method="HEAD")
    assert reply.status == 200
    assert reply.headers["Content-Length"] == str(len(LARGE))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["Cache-Control"] == "no-store"
    assert house.files.asked == {"size": 1}


@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("bytes=-10000", -10000, None), ("bytes=100-299", 100, 300)]
)
async def test_a_part_of_a_cold_file_is_fetched_alone(
    house: House, asked: str, start: int, stop: int | None
) -> None:
    """A range of a file that is not held is 206, unverified, and only that part is asked for."""
    announce(house, LARGE)
    reply = await house.ask(PATH, {"Range": asked})
    assert (reply.status, reply.whole) == (206, True)
    assert reply.body == LARGE[start:stop]
    assert reply.headers["ETag"] == '"u-1"'
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Range"].endswith(f"/{len(LARGE)}")
    assert house.files.asked == {"size": 1, "part": 1}


async def test_a_part_of_a_small_cold_file_may_come_verified(house: House) -> None:
    """When the service fetched the whole small file for a range, the part is of the verified file."""
    hold(house, SMALL)
    reply = await house.ask(PATH, {"Range": "bytes=5-9"})
    assert (reply.status, reply.body) == (206, SMALL[5:10])
    assert reply.headers["ETag"] == f'"{digest(SMALL)}"'


async def test_a_range_outside_of_a_cold_file_fetches_nothing(house: House) -> None:
    """416 for a file that is not held needs its size alone."""
    announce(house, LARGE)
    reply = await house.ask(PATH, {"Range": f"bytes={len(LARGE)}-"})
    assert reply.status == 416
    assert reply.headers["Content-Range"] == f"bytes */{len(LARGE)}"
    assert house.files.asked == {"size": 1}


async def test_a_part_of_a_file_that_turned_out_otherwise_is_refused(house: House) -> None:
    """When the stream has another size than was told for the range, no part is made of it."""
    arriving = announce(house, LARGE)
    arriving.size = len(LARGE) + 1
    assert (await house.ask(PATH, {"Range": "bytes=0-9"})).status == 424


@pytest.mark.parametrize("validator", [f'"{digest(LARGE)}"', LAST_MODIFIED, '"u-0"', 'W/"u-1"'])
async def test_a_stream_is_never_glued_to_what_the_client_has(house: House, validator: str) -> None:
    """A part that the client has, of the verified file or of another stream, is not continued from this stream."""
    announce(house, LARGE)
    reply = await house.ask(PATH, {"Range": "bytes=1000-", "If-Range": validator})
    assert (reply.status, reply.body) == (200, LARGE)


async def test_a_broken_connection_may_go_on_with_its_own_stream(house: House) -> None:
    """A client whose connection broke gets the rest of the very stream it had, while that is under way."""
    announce(house, LARGE)
    reply = await house.ask(PATH, {"Range": "bytes=1000-", "If-Range": '"u-1"'})
    assert (reply.status, reply.body) == (206, LARGE[1000:])
    assert reply.headers["ETag"] == '"u-1"'


async def test_a_cold_file_that_the_client_has_is_304(house: House) -> None:
    """The digest that the index lists is enough to say that the client has the file; nobody is asked for it."""
    announce(house, LARGE)
    reply = await house.ask(PATH, {"If-None-Match": f'"{digest(LARGE)}"'})
    assert reply.status == 304
    assert not house.files.asked


async def test_an_unlisted_digest_decides_nothing(house: House) -> None:
    """Without a listed digest a condition on a cold file cannot be judged, and the file is sent."""
    announce(house, LARGE, listed=False)
    assert (await house.ask(PATH, {"If-None-Match": f'"{digest(LARGE)}"'})).body == LARGE


async def test_a_client_that_leaves_lets_go_of_the_stream(house: House) -> None:
    """When the client goes away in the middle, its reader is closed at once and nothing is left of the request."""
    gate = asyncio.Semaphore(1)
    arriving = announce(house, LARGE, gate=gate)
    reader, writer = await house.open(PATH)
    await reader.readuntil(b"\r\n\r\n")
    writer.close()
    async with asyncio.timeout(10):
        await arriving.closed.wait()
    await until(lambda: not house.app[TRAFFIC].busy)


async def test_an_evicted_file_is_fetched_again(house: House) -> None:
    """A file that leaves the disk between the look and the opening is answered from its next download."""
    hold(house, LARGE)
    gone = house.files.holding.pop(WHEEL)
    gone.path.unlink()
    house.files.arriving[WHEEL] = MemoryArriving(LARGE, len(LARGE))
    house.files.evicted.append(gone)
    reply = await house.ask(PATH)
    assert (reply.status, reply.body) == (200, LARGE)
    assert reply.headers["ETag"] == '"u-1"'


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_a_file_that_will_not_stay_is_a_failure(house: House, data: bytes) -> None:
    """A file that is said to be held and never is there is 503, not 404."""
    hold(house, data)
    house.files.holding[WHEEL].path.unlink()
    assert (await house.ask(PATH)).status == 503


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_a_file_of_another_length_is_not_served(house: House, data: bytes) -> None:
    """A held file that is not as long as it was is 503, and none of it is sent."""
    hold(house, data)
    house.files.holding[WHEEL].path.write_bytes(data[:-1])
    reply = await house.ask(PATH)
    assert reply.status == 503
    assert "ETag" not in reply.headers


@pytest.mark.parametrize("held", ["sendfile", "reads", "arriving"])
async def test_a_client_that_takes_nothing_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """A client that stops reading is disconnected after the time for one write, on every way of sending."""
    house = assemble(tmp_path, write_seconds=0.2)
    await house.server.start_server()
    data = bytes(32 * 1024 * 1024)
    if held == "arriving":
        announce(house, data)
    else:
        hold(house, data)
    if held == "reads":
        monkeypatch.setattr(sending, "_takes_sendfile", lambda _request: False)
    reader, writer = await house.open(PATH)
    await reader.readuntil(b"\r\n\r\n")
    await until(lambda: not house.app[TRAFFIC].busy)
    _, reset = await read_to_the_end(reader)
    assert reset
    writer.close()
    await house.server.close()


async def test_metadata_comes_with_its_own_tag(house: House) -> None:
    """The core metadata beside a wheel is its bytes, uncoded, under the digest of these bytes, for ever."""
    body = b"Metadata-Version: 2.4\nName: demo-pkg\nVersion: 1.0\n" * 100
    hold(house, SMALL)
    house.files.sidecars[WHEEL] = body
    reply = await house.ask(f"{PATH}.metadata", {"Accept-Encoding": "gzip", "Range": "bytes=0-1"})
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["ETag"] == f'"{digest(body)}"'
    assert reply.headers["Cache-Control"] == "public, max-age=365000000, immutable"
    assert "Content-Encoding" not in reply.headers
    again = await house.ask(f"{PATH}.metadata", {"If-None-Match": reply.headers["ETag"]})
    assert (again.status, again.headers["ETag"]) == (304, reply.headers["ETag"])
    headed = await house.ask(f"{PATH}.metadata", method="HEAD")
    assert (headed.status, headed.headers["Content-Length"]) == (200, str(len(body)))


async def test_large_metadata_is_metadata_all_the_same(house: House) -> None:
    """Metadata with a book for a description is served like any other."""
    body = b"x" * 700_000
    hold(house, SMALL)
    house.files.sidecars[WHEEL] = body
    reply = await house.ask(f"{PATH}.metadata")
    assert (reply.body, reply.headers["ETag"]) == (body, f'"{digest(body)}"')


async def test_a_file_without_metadata_is_404(house: House) -> None:
    """Metadata that is not there, or of a file that is not there, is 404."""
    hold(house, SMALL)
    assert (await house.ask(f"{PATH}.metadata")).status == 404
    assert (await house.ask("/files/demo-pkg/none.whl.metadata")).status == 404


async def test_answers_on_one_connection_follow_each_other(house: House) -> None:
    """A connection stays usable after a file: the next answer begins where the file ended."""
    hold(house, LARGE)
    reader, writer = await house.open(PATH, {"Connection": "keep-alive"})
    head = await reader.readuntil(b"\r\n\r\n")
    assert read_reply(head + await reader.readexactly(len(LARGE))).body == LARGE
    writer.write(
        f"GET {PATH} HTTP/1.1\r\nHost: index.example\r\nRange: bytes=-5\r\nConnection: close\r\n\r\n".encode()
    )
    assert read_reply(await read_all(reader)).body == LARGE[-5:]
    writer.close()
