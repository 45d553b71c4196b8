"""An index and a file service in memory, which fulfil the ports, and a client that sees every byte on the wire."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from mirror.errors import FileNotFound, ProjectNotFound, WheelkeepError
from mirror.health import Health
from mirror.model import Answer, File, FileRef, HeldFile, Listing, ProjectList, ProjectPage
from mirror.names import ProjectName, Sha256
from mirror.ports import Arriving
from proxy.app import build
from proxy.front import Runner
from proxy.metrics import Metrics

MODIFIED = 1_700_000_000
LAST_MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"


@dataclass
class MemoryIndex:
    """Pages in a dictionary.

    Attributes:
        failure: raised by every call while it is set.
        stale_seconds: what every answer says of its age.
        asked: how often each of list, page and file was asked.
    """

    name: str = "memory"
    pages: dict[ProjectName, ProjectPage] = field(default_factory=dict)
    failure: Exception | None = None
    stale_seconds: int | None = None
    asked: Counter[str] = field(default_factory=Counter)
    listing: ProjectList = field(default_factory=ProjectList)

    def add(self, project: str, *files: File, **fields: object) -> ProjectPage:
        """Put a project's page in place of what was there."""
        name = ProjectName(project)
        page = ProjectPage(name=name, files=files, **fields)  # type: ignore[arg-type]
        self.pages[name] = page
        self.listing = ProjectList(names=tuple(sorted(self.pages)))
        return page

    async def projects(self) -> Listing:
        """List the names."""
        self._ask("list")
        return Listing(projects=self.listing, stale_seconds=self.stale_seconds)

    async def project(self, name: ProjectName) -> Answer:
        """Give a page."""
        self._ask("page")
        if name not in self.pages:
            raise ProjectNotFound(f"There is no project {name} here.")
        return Answer(page=self.pages[name], source=self.name, stale_seconds=self.stale_seconds)

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find a file."""
        self._ask("file")
        if name not in self.pages:
            raise ProjectNotFound(f"There is no project {name} here.")
        file = self.pages[name].file(filename)
        if file is None:
            raise FileNotFound(f"The project {name} has no file {filename}.")
        return FileRef(source=self.name, project=name, file=file)

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.failure is not None:
            raise self.failure


@dataclass
class MemoryArriving:
    """A file on its way, in pieces.

    Attributes:
        gate: acquired before each piece, when it is set.
        broken_after: pieces after which `failure` is raised, or the stream just ends when there is no failure.
        closed: how many of its readers are done.
    """

    data: bytes
    size: int | None
    tag: str = "u-1"
    piece: int = 64 * 1024
    gate: asyncio.Semaphore | None = None
    broken_after: int | None = None
    failure: Exception | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Give the pieces."""
        wanted = self.data[start:stop]
        try:
            for number, at in enumerate(range(0, len(wanted), self.piece)):
                if self.gate is not None:
                    await self.gate.acquire()
                if number == self.broken_after:
                    if self.failure is not None:
                        raise self.failure
                    return
                yield wanted[at : at + self.piece]
        finally:
            self.closed.set()


@dataclass
class MemoryFiles:
    """Files that are held in a directory, and files that are on their way, by file name.

    Attributes:
        evicted: what the next look-ups find in place of what is on the disk, one each.
        failure: raised by every call that may ask an upstream, while it is set.
        asked: how often each of these was called.
    """

    disk: Path
    holding: dict[str, HeldFile] = field(default_factory=dict)
    arriving: dict[str, MemoryArriving] = field(default_factory=dict)
    sidecars: dict[str, bytes] = field(default_factory=dict)
    failure: WheelkeepError | None = None
    evicted: list[HeldFile | None] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    def hold(self, filename: str, data: bytes) -> File:
        """Put a verified file on the disk."""
        path = self.disk / filename
        path.write_bytes(data)
        digest = Sha256(sha256(data).hexdigest())
        self.holding[filename] = HeldFile(path=path, sha256=digest, size=len(data), modified=float(MODIFIED))
        return File(filename=filename, url="", hashes={"sha256": digest}, size=len(data))

    async def held(self, ref: FileRef) -> HeldFile | None:
        """Give it if it is on the disk."""
        if self.evicted:
            return self.evicted.pop()
        return self.holding.get(ref.file.filename)

    async def obtain(self, ref: FileRef) -> HeldFile | Arriving:
        """Give it from the disk, else on its way."""
        self._ask("obtain")
        return await self.held(ref) or self._stream(ref)

    async def size(self, ref: FileRef) -> int:
        """Give what it has, or will come to."""
        self._ask("size")
        held = self.holding.get(ref.file.filename)
        return len(self._stream(ref).data) if held is None else held.size

    async def part(self, ref: FileRef, start: int, stop: int) -> HeldFile | Arriving:
        """Give the stream, of which the caller takes its part."""
        self._ask("part")
        return await self.held(ref) or self._stream(ref)

    async def metadata(self, ref: FileRef) -> bytes:
        """Give the core metadata."""
        self._ask("metadata")
        if ref.file.filename not in self.sidecars:
            raise FileNotFound(f"{ref.file.filename} has no core metadata.")
        return self.sidecars[ref.file.filename]

    def _stream(self, ref: FileRef) -> MemoryArriving:
        if ref.file.filename not in self.arriving:
            raise FileNotFound(f"The upstream has lost {ref.file.filename}.")
        return self.arriving[ref.file.filename]

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.failure is not None:
            raise self.failure


class FrontedServer(TestServer):
    """Serves as in the field: each connection meets the front first."""

    async def _make_runner(self, **settings: Any) -> web.AppRunner:
        return Runner(self.app, **settings)


@dataclass(frozen=True)
class Reply:
    """One answer as it came over the wire; the body is as it was sent, without chunk framing."""

    status: int
    reason: str
    headers: CIMultiDict[str]
    body: bytes
    whole: bool
    """Whether the framing says that this is all of the body."""


@dataclass
class House:
    """A running application with everything that is behind it."""

    index: MemoryIndex
    files: MemoryFiles
    metrics: Metrics
    health: list[Health]
    app: web.Application
    server: TestServer

    async def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        version: str = "1.1",
    ) -> Reply:
        """Send one request on a connection of its own, and read until it is closed."""
        reader, writer = await self.open(path, headers, method=method, version=version)
        try:
            return read_reply(await read_all(reader), method)
        finally:
            writer.close()

    async def open(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        version: str = "1.1",
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send one request, and leave the reading to the test."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=64 * 1024)
        fields = {"Host": "index.example", "Connection": "close"} | dict(headers or {})
        lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return reader, writer


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection ends, properly or by a reset."""
    data, _ = await read_to_the_end(reader)
    return data


async def read_to_the_end(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Read until the connection ends, and tell whether it was reset."""
    data = bytearray()
    try:
        while piece := await reader.read(1024 * 1024):
            data += piece
    except ConnectionResetError:
        return bytes(data), True
    return bytes(data), False


def read_reply(data: bytes, method: str = "GET") -> Reply:
    """Take one answer apart."""
    head, _, rest = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    _, status, reason = line.split(" ", 2)
    headers = CIMultiDict[str]()
    for each in fields:
        name, _, value = each.partition(": ")
        headers.add(name, value)
    if headers.get("Transfer-Encoding") == "chunked":
        body, whole = _unchunk(rest)
    elif method == "HEAD" or status == "304":
        body, whole = rest, not rest
    else:
        body, whole = rest, len(rest) == int(headers["Content-Length"])
    return Reply(int(status), reason, headers, body, whole)


def _unchunk(data: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return bytes(body), data == b"\r\n"
        body += data[:count]
        data = data[count + 2 :]
    return bytes(body), False


def assemble(
    disk: Path,
    *,
    public_url: str = "",
    write_seconds: float = 60.0,
    most_requests: int = 1000,
    pages_bytes: int = 10**7,
) -> House:
    """Build an application over empty memory; its server is not started yet."""
    index, files, metrics = MemoryIndex(), MemoryFiles(disk), Metrics("1.2.3")
    conditions = [Health(ready=True)]

    async def health() -> Health:
        return conditions[-1]

    app = build(
        indexes={"default": index, "other": MemoryIndex("another")},
        files=files,
        health=health,
        metrics=metrics,
        public_url=public_url,
        write_seconds=write_seconds,
        most_requests=most_requests,
        pages_bytes=pages_bytes,
    )
    return House(index, files, metrics, conditions, app, FrontedServer(app, host="127.0.0.1"))
