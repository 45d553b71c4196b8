"""Clients that are slow, gone, many or particular: F29 to F33."""

import asyncio
from pathlib import Path

import pytest

from mirror.events import FlightEnded
from tests.faults.asking import Answer, until
from tests.faults.scene import KIB, Scene, path_of, staged
from tests.simulator import Gate, faults
from tests.wheels import BuiltFile, wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=1000 * KIB)
SHARED = wheel("demo", "2.5", size=200 * KIB)
HUGE = wheel("demo", "3.0", size=24 * 1024 * KIB)
"""More than the kernel holds for a client that does not read."""
CROWD = 500
HERD = 500


async def test_connections_that_say_half_a_request(tmp_path: Path) -> None:
    """F29: whoever sends half a request is cut off after the keep-alive time, and others are served meanwhile."""
    async with staged(tmp_path, keepalive_seconds=1) as scene:
        scene.publish(SMALL)
        crowd = await asyncio.gather(*(half_a_request(scene) for _ in range(CROWD)))
        assert (await scene.get(SMALL)).body == SMALL.data
        async with asyncio.timeout(60):
            for reader, writer in crowd:
                assert await reader.read() == b""
                writer.close()
        assert (await scene.get(SMALL)).body == SMALL.data


async def test_more_connections_than_there_is_room_for(tmp_path: Path) -> None:
    """F29: connections beyond the limit are closed at once, and when some have gone there is room again."""
    async with staged(tmp_path, most_connections=20) as scene:
        scene.publish(SMALL)
        crowd = await asyncio.gather(*(half_a_request(scene) for _ in range(20)))
        assert (await scene.get(SMALL)).status == 0
        for _, writer in crowd:
            writer.transport.abort()
        await until(lambda: not scene.traffic.busy)
        async with asyncio.timeout(30):
            while (answer := await scene.get(SMALL)).status == 0:
                pass
        assert answer.body == SMALL.data


async def half_a_request(scene: Scene) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and begin a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.client.port)
    writer.write(b"GET /simple/ HTTP/1.1\r\nHost: index.example\r\nX-Slow: ")
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("warm", [False, True], ids=["F30-cold", "F30-warm"])
async def test_a_client_that_stops_reading(tmp_path: Path, *, warm: bool) -> None:
    """F30: a client that takes nothing is cut off within `write_seconds`, and the download goes on without it."""
    async with staged(tmp_path, write_seconds=0.5) as scene:
        scene.publish(HUGE)
        if warm:
            assert (await scene.get(HUGE)).body == HUGE.data
            await scene.quiet()
        asking = await scene.begin(HUGE, slow=True)
        assert await asking.some(10) == HUGE.data[: len(await asking.some(10))]
        await until(lambda: not scene.traffic.busy)
        answer = await asking.rest()
        assert not answer.whole
        assert '"stalled"' in scene.log.getvalue()
        await scene.quiet()
        assert scene.held(HUGE)
        assert len(scene.blobs(HUGE)) == 1


@pytest.mark.parametrize("built", [SMALL, LARGE], ids=["F30-small", "F30-large"])
async def test_a_client_that_leaves(tmp_path: Path, built: BuiltFile) -> None:
    """F30: a download goes on though its only client has left, and the next one gets the file without a request."""
    async with staged(tmp_path) as scene:
        scene.publish(built)
        gate = Gate()
        scene.feed.misbehave(faults.hold(gate, at=500), scene.blob(built))
        asking = await scene.begin(built)
        await gate.reached()
        asking.leave()
        await until(lambda: not scene.traffic.busy)
        gate.open()
        await scene.quiet()
        assert scene.held(built)
        assert (await scene.get(built)).body == built.data
        assert len(scene.blobs(built)) == 1


async def test_a_herd_whose_leader_leaves(tmp_path: Path) -> None:
    """F31: of hundreds who ask for one cold file all get it from one request, also when the first of them goes away."""
    async with staged(tmp_path, small_file_bytes=KIB) as scene:
        scene.publish(SHARED)
        gate = Gate()
        scene.feed.misbehave(faults.hold(gate, at=150 * KIB), scene.blob(SHARED))
        leader = await scene.begin(SHARED)
        await leader.some(10)
        others = [await scene.begin(SHARED) for _ in range(HERD - 1)]
        await until(lambda: len(scene.traffic.busy) == HERD)
        leader.leave()
        await until(lambda: len(scene.traffic.busy) == HERD - 1)
        gate.open()
        answers = await asyncio.gather(*(asking.rest() for asking in others))
        assert all(answer.body == SHARED.data for answer in answers)
        assert scene.blobs(SHARED) == [None]


async def test_a_download_that_is_cancelled(tmp_path: Path) -> None:
    """F32: when the task of a download ends all who wait for it are told one thing, and the next request begins anew."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        gate = Gate()
        scene.feed.misbehave(faults.hold(gate, at=0), scene.blob(LARGE), times=1)
        askings = [await scene.begin(LARGE) for _ in range(5)]
        await until(lambda: len(scene.traffic.busy) == 5)
        await gate.reached()
        [task] = scene.files._flights._tasks
        task.cancel()
        answers = await asyncio.gather(*(asking.rest() for asking in askings))
        assert {answer.status for answer in answers} == {503}
        assert len({sentence_of(answer) for answer in answers}) == 1
        assert scene.told(FlightEnded, outcome="failed") == 1
        assert (await scene.get(LARGE)).body == LARGE.data


async def test_a_download_that_raises_what_nobody_foresaw(tmp_path: Path) -> None:
    """F32: a defect in a download fails those who wait for it, is logged, and leaves the file to be asked for again."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        limits, complaints = scene.files._limits, list[str]()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context["message"]))
        scene.files._limits = limits.__class__(resume_pauses_seconds=None)  # type: ignore[arg-type]
        answers = await asyncio.gather(*(scene.get(LARGE) for _ in range(3)))
        loop.set_exception_handler(None)
        scene.files._limits = limits
        assert {answer.status for answer in answers} == {500}
        assert complaints == ["A download ended in a way that nobody foresaw."]
        assert (await scene.get(LARGE)).body == LARGE.data


def sentence_of(answer: Answer) -> bytes:
    """Give what a problem says, without the request's id."""
    return answer.body.partition(b'"request_id"')[0]


def range_of(text: str) -> dict[str, str]:
    """Make the header fields of a range."""
    return {"Range": f"bytes={text}"}


SIZE = len(LARGE.data)
QUESTIONS = [
    pytest.param({}, 200, (0, SIZE), id="F33-whole"),
    pytest.param(range_of("0-99"), 206, (0, 100), id="F33-first"),
    pytest.param(range_of("5000-5999"), 206, (5000, 6000), id="F33-middle"),
    pytest.param(range_of("-100"), 206, (SIZE - 100, SIZE), id="F33-suffix"),
    pytest.param(range_of(f"{SIZE - 1}-"), 206, (SIZE - 1, SIZE), id="F33-last-byte"),
    pytest.param(range_of("0-"), 206, (0, SIZE), id="F33-open"),
    pytest.param(range_of(f"{SIZE}-"), 416, None, id="F33-beyond"),
    pytest.param(range_of("0-1,5-6"), 200, (0, SIZE), id="F33-several"),
    pytest.param(range_of("9-5"), 200, (0, SIZE), id="F33-malformed"),
    pytest.param({**range_of("5-9"), "If-Range": '"another"'}, 200, (0, SIZE), id="F33-if-range-other"),
    pytest.param({**range_of("5-9"), "If-Range": f'"{LARGE.sha256}"'}, None, (5, 10), id="F33-if-range-same"),
    pytest.param({"If-None-Match": f'"{LARGE.sha256}"'}, 304, None, id="F33-known"),
    pytest.param({"If-Match": '"another"'}, 412, None, id="F33-if-match-other"),
]


@pytest.mark.parametrize("state", ["cold", "filling", "warm"])
@pytest.mark.parametrize(("fields", "status", "part"), QUESTIONS)
async def test_what_is_asked_in_part_or_conditionally(
    tmp_path: Path, state: str, fields: dict[str, str], status: int | None, part: tuple[int, int] | None
) -> None:
    """F33: ranges and conditions are answered as RFC 9110 says, whether a file is held, on its way or neither."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        gate = Gate()
        first = await in_state(scene, state, gate)
        asked = asyncio.create_task(scene.get(LARGE, fields))
        await until(lambda: asked.done() or len(scene.traffic.busy) == (1 if first is None else 2))
        gate.open()
        answer = await asked
        # A cold file has no verified bytes yet to go on with, so that it comes whole.
        expected = status or (206 if state == "warm" else 200)
        assert answer.status == expected
        if part is not None:
            assert answer.body == (LARGE.data if expected == 200 else LARGE.data[slice(*part)])
        if expected == 206 and part is not None:
            assert answer.headers["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/{SIZE}"
        if expected == 416:
            assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
        if first is not None:
            assert (await first).body == LARGE.data


@pytest.mark.parametrize("state", ["cold", "filling", "warm"])
async def test_head(tmp_path: Path, state: str) -> None:
    """F33: HEAD is answered with the size and without a redirect, and pulls nothing of a file that is not here."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        gate = Gate()
        first = await in_state(scene, state, gate)
        before = len(scene.blobs(LARGE))
        answer = await scene.client.ask(path_of(LARGE), method="HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(SIZE), b"")
        assert len(scene.blobs(LARGE)) == before
        gate.open()
        if first is not None:
            assert (await first).body == LARGE.data


async def in_state(scene: Scene, state: str, gate: Gate) -> asyncio.Task[Answer] | None:
    """Bring the file into a state: held, or on its way and held up at a gate, which who reads it waits for."""
    if state == "warm":
        assert (await scene.get(LARGE)).body == LARGE.data
        await scene.quiet()
    if state != "filling":
        return None
    scene.feed.misbehave(faults.hold(gate, at=200 * KIB), scene.blob(LARGE), times=1)
    asking = await scene.begin(LARGE)
    await asking.some(10)
    return asyncio.create_task(asking.rest())
