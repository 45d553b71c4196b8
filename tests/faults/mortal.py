"""Servers that are killed: a real `wheelkeep serve` over a folder and a feed, its clients, and its end."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tests.faults.nursery import Order
from tests.faults.points import Fate, Step
from tests.simulator import Simulator

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
NO_FATE = Fate()


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes


class Server:
    """One `wheelkeep serve`.

    Attributes:
        process: its number, which is that of the group of all its processes, too.
        url: where it listens; empty: it died before it did.
    """

    def __init__(self, process: int, lines: asyncio.StreamReader, http: ClientSession) -> None:
        self.process = process
        self.url = ""
        self._status: int | None = None
        self._lines = lines
        self._http = http

    async def listening(self) -> None:
        """Wait until it listens, or has died."""
        while not self.url and self._status is None:
            self._hear(await self._lines.readline())

    async def ask(self, path: str) -> Answer | None:
        """Ask for a path; None when there was no answer, or none that was whole."""
        try:
            async with self._http.get(f"{self.url}{path}") as answer:
                return Answer(answer.status, await answer.read())
        except (ClientError, ConnectionError):
            return None

    def kill(self) -> None:
        """Kill all its processes, if there are any left."""
        with suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)

    def leave(self) -> None:
        """Tell it to end."""
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGTERM)

    def workers(self) -> list[int]:
        """Give the processes of its workers."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children")
        return [int(process) for process in children.read_text().split()]

    async def ended(self) -> int:
        """Wait until all its processes have ended, and give its status."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._status is None:
                self._hear(await self._lines.readline())
            await self._lines.read()  # each of them has the connection open as long as it lives
        return self._status

    def _hear(self, line: bytes) -> None:
        if found := re.search(rb"wheelkeep serves (\S+?)/simple/|ended (-?\d+)|^$", line):
            assert found[0], "Nobody attends a server."
            if found[1]:
                self.url = found[1].decode()
            else:
                self._status = int(found[2])


class Nursery:
    """Where servers come from; see `tests.faults.nursery`."""

    def __init__(self, port: int, http: ClientSession) -> None:
        self._port = port
        self._http = http

    @asynccontextmanager
    async def serving(self, folder: Path, fate: Fate = NO_FATE) -> AsyncIterator[Server]:
        """Start a server, and kill what is left of it after the block. One that dies before it listens has no URL."""
        lines, order = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            order.write(msgspec.json.encode(Order(str(folder), fate)) + b"\n")
            server = Server(int(await lines.readline()), lines, self._http)
            try:
                await server.listening()
                yield server
            finally:
                server.kill()
        finally:
            order.close()


@asynccontextmanager
async def open_nursery() -> AsyncIterator[Nursery]:
    """Open one for the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHEELKEEP_", "COV"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.nursery",
        cwd=ROOT,
        env=kept,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        connector = TCPConnector(force_close=True, limit=0)
        async with ClientSession(
            connector=connector, timeout=ClientTimeout(total=PATIENCE_SECONDS), auto_decompress=False
        ) as http:
            yield Nursery(port, http)
    finally:
        process.kill()
        await process.wait()


def configure(
    folder: Path,
    feed: Simulator,
    *,
    workers: int = 1,
    drain_seconds: float = 20,
    max_bytes: str = "100MB",
    segment_from_bytes: str = "64MB",
) -> None:
    """Make the working folder of a server whose only source is a feed, or configure it anew.

    Args:
        folder: of the configuration, and of `data`.
        feed: the upstream.
        workers: processes.
        drain_seconds: how long answers may take to end.
        max_bytes: of the cache.
        segment_from_bytes: larger files come in several ranges.
    """
    folder.mkdir(exist_ok=True)
    (folder / "wheelkeep.toml").write_text(
        f"[server]\nport = 0\nworkers = {workers}\ndrain_seconds = {drain_seconds}\n"
        '[store]\nurl = "file:./data/store"\n[cache]\npath = "data/cache"\n'
        f'max_bytes = "{max_bytes}"\n[limits]\nsegment_from_bytes = "{segment_from_bytes}"\n'
        f'[[upstreams]]\nname = "feed"\nurl = "{feed.simple_url}"\n'
        '[[indexes]]\nname = "default"\nsources = ["feed"]\n'
    )


def journal(folder: Path) -> list[Step]:
    """Give what the servers of a folder called, without a line that a kill has cut."""
    lines = (folder / "journal").read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Step) for line in lines if line.endswith(b"\n")]
