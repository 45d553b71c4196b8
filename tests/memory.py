"""An upstream in memory: it fulfils `mirror.ports.Upstream`, counts what it is asked, and misbehaves on demand."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from mirror.errors import FileNotFound, ProjectNotFound, Unreachable, WheelkeepError
from mirror.model import File, ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.ports import FetchedList, FetchedPage, Stretch, Validators

HOME = "http://memory.invalid/"


@dataclass
class MemoryBody:
    """A body that is there already, given in pieces; `gate`, when set, is awaited before each piece."""

    data: bytes
    start: int
    total: int | None
    validator: str | None
    piece: int
    gate: asyncio.Semaphore | None = None
    cut_after: int | None = None
    delimited: bool = True
    ranges: bool = True

    async def chunks(self) -> AsyncIterator[bytes | memoryview]:
        """Give the pieces, each of which is gone when the next one is asked for, and break off where the test said so."""
        sent = 0
        for at in range(0, len(self.data), self.piece):
            if self.gate is not None:
                await self.gate.acquire()
            if self.cut_after is not None and sent >= self.cut_after:
                if not self.delimited:
                    return
                raise Unreachable("memory", "The connection broke.")
            part = self.data[at : at + self.piece]
            sent += len(part)
            room = bytearray(part)
            yield memoryview(room)
            room[:] = bytes(len(room))
            await asyncio.sleep(0)


@dataclass
class MemoryUpstream:
    """Projects and files in dictionaries.

    Attributes:
        failure: raised by every call while it is set: the upstream is "down".
        ranges: whether a range is honoured.
        gate: released once for each piece of a file that may flow; None lets all flow.
        cut_after: bytes after which a file's body breaks off, once.
        delimited: whether answers tell how long they are; if not, a body that breaks off just ends.
        calls: how often each of page, list, file, range and metadata was asked.
    """

    name: str = "memory"
    pages: dict[ProjectName, ProjectPage] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    sidecars: dict[str, bytes] = field(default_factory=dict)
    failure: WheelkeepError | None = None
    ranges: bool = True
    piece: int = 64 * 1024
    gate: asyncio.Semaphore | None = None
    cut_after: int | None = None
    delimited: bool = True
    calls: Counter[str] = field(default_factory=Counter)
    etags: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        project: str,
        filename: str,
        data: bytes,
        *,
        listed_hash: bool = True,
        listed_size: bool = True,
        **fields: object,
    ) -> File:
        """List a file on its project's page and keep its bytes; `fields` override those of the `File`."""
        url = f"{HOME}files/{filename}"
        values: dict[str, object] = {
            "filename": filename,
            "url": url,
            "hashes": {"sha256": sha256(data).hexdigest()} if listed_hash else {},
            "size": len(data) if listed_size else None,
        }
        file = File(**(values | fields))  # type: ignore[arg-type]
        self.contents[url] = data
        name = ProjectName(project)
        known = self.pages.get(name, ProjectPage(name=name))
        self.pages[name] = ProjectPage(name=name, files=(*known.files, file))
        return file

    def _asked(self, kind: str) -> None:
        self.calls[kind] += 1
        if self.failure is not None:
            raise self.failure

    async def fetch_page(self, project: ProjectName, known: Validators | None = None) -> FetchedPage | None:
        """Give the page; None when its tag, set in `etags`, is the known one."""
        self._asked("page")
        await asyncio.sleep(0)
        if project not in self.pages:
            raise ProjectNotFound(f"{project} is not here.")
        etag = self.etags.get(project)
        if known is not None and etag is not None and known.etag == etag:
            return None
        return FetchedPage(page=self.pages[project], validators=Validators(etag=etag))

    async def fetch_list(self, known: Validators | None = None) -> FetchedList | None:
        """Give the sorted names."""
        self._asked("list")
        await asyncio.sleep(0)
        return FetchedList(projects=ProjectList(names=tuple(sorted(self.pages))), validators=Validators())

    @asynccontextmanager
    async def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AsyncIterator[MemoryBody]:
        """Give a file or a part of it."""
        wants_part = start > 0 or stop is not None
        self._asked("range" if wants_part else "file")
        await asyncio.sleep(0)
        if url not in self.contents:
            raise FileNotFound(f"{url} is not here.")
        whole = self.contents[url]
        tag = f'"{sha256(whole).hexdigest()[:16]}"'
        honoured = wants_part and self.ranges and validator in {None, tag}
        first, last = (start, stop) if honoured else (0, None)
        cut_after, self.cut_after = self.cut_after, None
        total = len(whole) if self.delimited else None
        part = whole[first:last]
        yield MemoryBody(
            part, first, total, tag, self.piece, self.gate, cut_after, self.delimited, self.ranges
        )

    async def fetch_metadata(self, url: str) -> bytes:
        """Give the sidecar of a file."""
        self._asked("metadata")
        await asyncio.sleep(0)
        if url not in self.sidecars:
            raise FileNotFound(f"{url} has no metadata.")
        return self.sidecars[url]


async def taken(chunk: bytes | Stretch) -> bytes:
    """Give the bytes of a chunk, as the face does where it cannot leave that to the system."""
    return (
        chunk if isinstance(chunk, bytes) else b"".join([piece async for piece in chunk.pieces(chunk.start)])
    )
