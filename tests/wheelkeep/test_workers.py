"""Several processes behind one port: `serve` with workers, as an operator meets it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from tests.simulator import Simulator, faults
from tests.simulator.gate import Gate
from tests.wheelkeep.conftest import Run
from tests.wheels import BuiltFile, wheel

SMALL = wheel("small", "1.0")
LARGE = wheel("large", "1.0", size=3_000_000)
PATIENCE_SECONDS = 60


@dataclass
class Answer:
    """What came over a connection of its own."""

    status: int
    headers: str
    body: bytes


@dataclass
class Server:
    """A `wheelkeep serve` under way."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def ask(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask for a path on a new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: index\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        return reader, writer

    async def get(self, path: str) -> Answer:
        """Ask for a path and read the whole answer."""
        reader, writer = await self.ask(path)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"(?i)\r\ncontent-length: (\d+)", head)
            body = await (reader.readexactly(int(found[1])) if found else reader.read())
            return Answer(int(head.split()[1]), head, body)
        finally:
            writer.close()

    async def get_again(self, path: str) -> Answer:
        """Ask as clients do: once more when the connection breaks."""
        try:
            return await self.get(path)
        except (ConnectionError, asyncio.IncompleteReadError):
            return await self.get(path)

    async def figures(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Scrape the metrics of whoever answers."""
        text = (await self.get("/metrics")).body.decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def counted(self, name: str, **labels: str) -> float:
        """Sum the samples of a metric that have these labels."""
        wanted = set(labels.items())
        figures = await self.figures()
        return sum(value for (found, has), value in figures.items() if found == name and wanted <= has)

    def workers(self) -> list[int]:
        """Give the processes of the workers: the supervisor's children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(process) for process in children.read_text().split()]

    def left(self, processes: list[int]) -> list[int]:
        """Give those of some processes that have not ended."""
        return [process for process in processes if Path(f"/proc/{process}").exists()]

    def lines(self) -> list[dict[str, object]]:
        """Give the log."""
        return [
            msgspec.json.decode(line, type=dict[str, object])
            for line in self.log.read_text().splitlines()
            if line.startswith("{")
        ]


@asynccontextmanager
async def serving(
    folder: Path, environ: dict[str, str], feed: Simulator, *, workers: int = 2, status: int = 0
) -> AsyncIterator[Server]:
    """Run `serve`; it is told to leave unless it has left, and must end with this status."""
    (folder / "wheelkeep.toml").write_text(
        f"[server]\nport = 0\nworkers = {workers}\n"
        f'[[upstreams]]\nname = "feed"\nurl = "{feed.simple_url}"\n'
        '[[indexes]]\nname = "default"\nsources = ["feed"]\n'
    )
    log = folder / "log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wheelkeep",
            "serve",
            cwd=folder,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        found = re.search(r"wheelkeep serves (\S+)", line)
        assert found, log.read_text()
        yield Server(process, URL(found[1]).port or 0, log)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == status, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give an upstream with a small file and a large one."""
    async with Simulator() as feed:
        for built in (SMALL, LARGE):
            feed.add(built.project, built.filename, built.data)
        yield feed


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the processes do on their own; bounded, so that a failure is one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110  (nobody tells of other processes)
            await asyncio.sleep(0.02)


def path_of(built: BuiltFile) -> str:
    """Give the path of a file in the default index."""
    return f"/files/{built.project}/{built.filename}"


@pytest.fixture
def folders(tmp_path: Path) -> dict[int, Path]:
    """Give a working folder for each number of workers."""
    folders = {workers: tmp_path / str(workers) for workers in (1, 2)}
    for folder in folders.values():
        folder.mkdir()
    return folders


async def knows_metadata(server: Server) -> bool:
    """Tell whether all workers have noticed what one of them learned from the file that it fetched."""
    assert (await server.get(path_of(SMALL))).body == SMALL.data
    pages = [(await server.get("/simple/small/")).body for _ in range(16)]
    return all(b"metadata" in page for page in pages)


async def test_one_worker_and_two_answer_alike(
    folders: dict[int, Path], environ: dict[str, str], feed: Simulator
) -> None:
    """Whichever worker is asked, and however many there are, an answer is the same."""
    paths = [
        "/simple/",
        "/simple/small/",
        "/simple/none/",
        path_of(SMALL),
        path_of(SMALL) + ".metadata",
        "/readyz",
    ]
    answers: dict[int, dict[str, set[tuple[int, str, bytes]]]] = {}
    for workers in (1, 2):
        folder = folders[workers]
        async with serving(folder, environ, feed, workers=workers) as server:
            found: dict[str, set[tuple[int, str, bytes]]] = {path: set() for path in paths}
            await until(partial(knows_metadata, server))
            for path in paths * 8:
                answer = await server.get(path)
                if answer.status == 404:  # a problem tells its request
                    answer.body = b""
                tag = re.search(r"(?i)\r\netag: (.+)\r\n", answer.headers)
                found[path].add((answer.status, tag[1] if tag else "", answer.body))
            answers[workers] = found
        numbers = {line.get("worker") for line in server.lines() if line["event"] == "request"}
        assert numbers == ({None} if workers == 1 else {1, 2})
    assert [path for path, each in answers[2].items() if len(each) > 1] == []
    assert answers[1] == answers[2]
    assert {(SMALL.data)} == {body for _, _, body in answers[2][path_of(SMALL)]}


async def test_workers_fetch_a_file_once(tmp_path: Path, environ: dict[str, str], feed: Simulator) -> None:
    """Clients of both workers have the first bytes of a cold file while it is fetched, and its upstream is asked once."""
    gate = Gate()
    feed.misbehave(faults.hold(gate, at=1_000_000), path=f"*/{LARGE.filename}")
    async with serving(tmp_path, environ, feed) as server:
        clients = [await server.ask(path_of(LARGE)) for _ in range(16)]
        heads = [await reader.readuntil(b"\r\n\r\n") for reader, _ in clients]
        begun = [await reader.readexactly(500_000) for reader, _ in clients]
        gate.open()
        rest = [await reader.readexactly(len(LARGE.data) - 500_000) for reader, _ in clients]
        for _, writer in clients:
            writer.close()
        assert {head.split()[1] for head in heads} == {b"200"}
        assert {a + b for a, b in zip(begun, rest, strict=True)} == {LARGE.data}
        assert [asked.sent for asked in feed.asked("file")] == [len(LARGE.data)]
        assert await server.counted("wheelkeep_flights_total", outcome="committed") == 1
        assert await server.counted("wheelkeep_flights_total", outcome="followed") == 1


async def test_a_killed_worker_is_replaced(tmp_path: Path, environ: dict[str, str], feed: Simulator) -> None:
    """A worker that is killed under load costs no client more than a retry, is replaced, and what it counted stays."""
    async with serving(tmp_path, environ, feed) as server:
        before = server.workers()
        served = 0
        enough = asyncio.Event()

        async def load() -> None:
            nonlocal served
            while not enough.is_set():
                answer = await server.get_again(path_of(SMALL))
                assert (answer.status, answer.body) == (200, SMALL.data)
                served += 1

        async def replaced() -> bool:
            now = server.workers()
            return len(now) == 2 and before[0] not in now

        async def further() -> bool:
            return served >= target

        clients = [asyncio.create_task(load()) for _ in range(4)]
        target = 40
        await until(further)
        os.kill(before[0], signal.SIGKILL)
        await until(replaced)
        target = served + 40
        await until(further)
        enough.set()
        await asyncio.gather(*clients)
        counted = await server.counted("wheelkeep_requests_total", view="file", status="200")
        assert abs(counted - served) <= len(clients)
        assert await server.counted("wheelkeep_request_seconds_count", view="file") >= counted
        labels = {
            dict(has).get("worker") for name, has in await server.figures() if name.startswith("process_")
        }
        assert labels == {"0", "1", "2"}
    [line] = [line for line in server.lines() if line["event"] == "a worker died"]
    assert line["reason"] == f"Worker {line['worker']} ended (killed by SIGKILL): see the log for why."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_workers_drain_together(
    tmp_path: Path, environ: dict[str, str], feed: Simulator, number: signal.Signals
) -> None:
    """A signal that every process gets lets the streams of all workers end, lets nobody new in, and counts once."""
    gate = Gate()
    feed.misbehave(faults.hold(gate, at=2_000_000), path=f"*/{LARGE.filename}")
    async with serving(tmp_path, environ, feed) as server:

        async def both_are_busy() -> bool:
            streams.append(await server.ask(path_of(LARGE)))
            await streams[-1][0].readuntil(b"\r\n\r\n")
            return await server.counted("wheelkeep_requests_in_flight") > len(streams) and len(streams) >= 12

        async def refused() -> bool:
            try:
                await server.get("/healthz")
            except ConnectionError:
                return True
            except asyncio.IncompleteReadError:
                pass
            return False

        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        await until(both_are_busy)
        for process in [server.process.pid, *server.workers()]:
            os.kill(process, number)
        await until(refused)
        gate.open()
        for reader, writer in streams:
            assert await reader.readexactly(len(LARGE.data)) == LARGE.data
            writer.close()


async def test_a_worker_that_cannot_start_is_one_sentence(run: Run, tmp_path: Path) -> None:
    """What keeps every worker from starting is told once, and nothing is served."""
    (tmp_path / "taken").touch()
    more = {
        "WHEELKEEP_CACHE__PATH": "taken",
        "WHEELKEEP_SERVER__PORT": "0",
        "WHEELKEEP_SERVER__WORKERS": "3",
    }
    ended = await run("serve", more=more)
    assert (ended.status, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("wheelkeep: [cache] path taken cannot be used: the ")


async def test_a_worker_that_cannot_be_replaced_ends_all(
    tmp_path: Path, environ: dict[str, str], feed: Simulator
) -> None:
    """When a worker that died fails to start again and again, the others leave, with a sentence and status 1."""
    async with serving(tmp_path, environ, feed, status=1) as server:
        workers = server.workers()
        cache = tmp_path / "wheelkeep-data" / "cache"
        cache.rename(tmp_path / "moved")
        cache.touch()
        os.kill(workers[0], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.process.wait()
    last = server.log.read_text().splitlines()[-1]
    assert last.startswith("wheelkeep: [cache] path wheelkeep-data/cache cannot be used: ")
    assert server.left(workers) == []


async def test_workers_leave_without_their_supervisor(
    tmp_path: Path, environ: dict[str, str], feed: Simulator
) -> None:
    """When the supervisor is killed nobody stays behind: the workers end as at a SIGTERM."""
    async with serving(tmp_path, environ, feed, status=-signal.SIGKILL) as server:
        workers = server.workers()
        server.process.kill()

        async def gone() -> bool:
            return not server.left(workers)

        await until(gone)
    assert [line["signal"] for line in server.lines() if line["event"] == "shutting down"] == ["SIGTERM"] * 2
