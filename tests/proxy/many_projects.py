"""Serves a project list of so many names in a process of its own, and prints what that took: `python -m … FOLDER COUNT up|down`.

It prints one line: the bytes of memory that it grew by at its highest, and after all answers.
"""

import asyncio
import sys
import time
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer

from mirror.errors import Unreachable
from mirror.health import Health
from mirror.indexes import FirstMatch, UpstreamIndex
from mirror.ledger import StoreLedger
from mirror.model import ProjectList
from mirror.ports import FetchedList, Validators
from mirror.simple import parse
from mirror.simple.media import TEXT_HTML, V1_HTML, V1_JSON
from mirror.stores.disk import DiskStore
from proxy.app import build
from proxy.metrics import Metrics
from tests.memory import MemoryUpstream
from tests.proxy.memory import MemoryFiles

HOME = "https://feed.invalid/simple/"
PIECE_BYTES = 256 * 1024


class ManyProjects(MemoryUpstream):
    """An upstream whose list is long."""

    count = 0
    down = False

    async def fetch_list(self, known: Validators | None = None) -> FetchedList | None:
        """Read the list as it comes from an upstream."""
        if self.down:
            raise Unreachable(self.name, "It is down.")
        return FetchedList(projects=await asyncio.to_thread(self._read), validators=Validators(etag='"1"'))

    def _read(self) -> ProjectList:
        names = ",".join(f'{{"name":"project-{number:07}"}}' for number in range(self.count))
        body = f'{{"meta":{{"api-version":"1.1"}},"projects":[{names}]}}'.encode()
        return parse.project_list(body, media_type=V1_JSON, url=HOME)


def memory(line: str) -> int:
    """Give the bytes that a line of the process's status tells."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(each.split()[1]) * 1024 for each in lines if each.startswith(f"{line}:"))


async def ask(server: TestServer, client: aiohttp.ClientSession, content_type: str, coding: str) -> bytes:
    """Ask for the list, again with its tag, and give its last kilobyte as it came."""
    wanted = {"Accept": content_type, "Accept-Encoding": coding}
    last = b""
    async with client.get(server.make_url("/simple/"), headers=wanted) as answer:
        assert answer.status == 200
        assert answer.headers.get("Content-Encoding", "identity") == coding
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            last = (last + piece)[-1024:]
        known = {**wanted, "If-None-Match": answer.headers["ETag"]}
    async with client.get(server.make_url("/simple/"), headers=known) as answer:
        assert answer.status == 304
    return last


async def main(folder: Path, count: int, *, down: bool) -> None:
    """Serve and ask."""
    store, upstream = DiskStore(folder), ManyProjects()
    upstream.count, upstream.down = count, down
    before = memory("VmRSS")
    source = UpstreamIndex(
        "memory", upstream, store, StoreLedger(store, {"memory": HOME}), clock=time.time, home=HOME
    )
    index = FirstMatch("default", [source], "online", store=store, clock=time.time)

    async def health() -> Health:
        return Health(ready=True)

    app = build(
        indexes={"default": index},
        files=MemoryFiles(folder),
        health=health,
        metrics=Metrics(),
        write_line=lambda *_: None,
    )
    server = TestServer(app)
    await server.start_server()
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for content_type in (V1_JSON, V1_HTML, TEXT_HTML):
            last = await ask(server, client, content_type, "identity")
            assert f"project-{count - 1:07}".encode() in last
            await ask(server, client, content_type, "gzip")
    print(memory("VmHWM") - before, memory("VmRSS") - before)  # noqa: T201
    await server.close()
    await source.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), down=sys.argv[3] == "down"))
