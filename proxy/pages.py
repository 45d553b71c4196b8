"""Rendered pages, held ready as bytes in a memory bound: rendered once for each content type and coding.

A rendering is good for as long as the index gives the same object. Then answering is a dictionary look-up: no parsing, no
disk, nothing that grows with the page. A large page is rendered and compressed in a thread, once however many ask.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from cachetools import LRUCache
from multidict import CIMultiDict

from mirror.model import ProjectList, ProjectPage
from mirror.once import Once
from mirror.simple import render
from mirror.simple.media import TEXT_HTML, V1_JSON
from mirror.simple.negotiate import Choice
from proxy.front import wire_head
from proxy.sendfile import MemoryFile

try:
    from isal.igzip import compress
except ImportError:  # isal has no build for every platform
    from gzip import compress  # type: ignore[assignment]

MAX_AGE_SECONDS = 60
"""How long a client may show a page without asking again; pip does so for as long as it is told."""
WORTH_COMPRESSING_BYTES: Final = 1024
LARGEST_BYTES_OBJECT: Final = 256 * 1024
"""A body beyond this is a `MemoryFile`."""
_BESIDE_BYTES: Final = 1536
"""What an entry costs beside its body and its page: key, header fields, places in the cache. Most pages are smaller."""
_MANY_FILES = 500
_MANY_PROJECTS = 5_000

Key = tuple[str, str, str, str, bool]
"""Index, project ("" for the project list), base of the file links, content type, compressed or not."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """One page in one content type and one coding."""

    body: bytes | MemoryFile
    etag: str
    """Strong: made of the content type and these very bytes."""
    weight: int
    """Bytes that it keeps in memory: its own, and for the page behind it about as many as the body has without coding."""
    headers: CIMultiDict[str]
    """Every header field of a fresh 200; copy it before changing it."""
    head: bytes
    """The same with status line and length, as they go over the wire."""


class Pages:
    """The renderings of every index.

    Args:
        max_bytes: how much memory the renderings may take together; the least recently used ones leave first.
    """

    def __init__(self, max_bytes: int) -> None:
        self._held: LRUCache[Key, tuple[object, Rendering]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry[1].weight
        )
        self._under_way: Once[Rendering] = Once()

    async def project(
        self, index: str, page: ProjectPage, *, file_base: str, choice: Choice, compressed: bool
    ) -> Rendering:
        """Give a project page; its file links begin with `file_base`."""
        key = (index, page.name, file_base, choice.content_type, compressed)
        write = partial(render.project_page, page, file_base=file_base, form=choice.form)
        return await self._ready(key, page, write, large=len(page.files) > _MANY_FILES)

    async def projects(
        self, index: str, projects: ProjectList, *, choice: Choice, compressed: bool
    ) -> Rendering:
        """Give the project list."""
        key = (index, "", "", choice.content_type, compressed)
        write = partial(render.project_list, projects, form=choice.form)
        return await self._ready(key, projects, write, large=len(projects.names) > _MANY_PROJECTS)

    async def _ready(
        self, key: Key, subject: object, write: Callable[[], bytes], *, large: bool
    ) -> Rendering:
        held = self._held.get(key)
        if held is not None and held[0] is subject:
            return held[1]
        if not large:
            return self._keep(key, subject, _make(key, write))
        aside = partial(self._make_aside, key, subject, write)
        return await self._under_way.run((key, id(subject)), aside)

    async def _make_aside(self, key: Key, subject: object, write: Callable[[], bytes]) -> Rendering:
        return self._keep(key, subject, await asyncio.to_thread(_make, key, write))

    def _keep(self, key: Key, subject: object, rendering: Rendering) -> Rendering:
        if rendering.weight <= self._held.maxsize:
            self._held[key] = (subject, rendering)
        return rendering


def _make(key: Key, write: Callable[[], bytes]) -> Rendering:
    """Render one page; pure, so that it may run in a thread."""
    *_, content_type, compressed = key
    body = write()
    weight = _BESIDE_BYTES + len(body)
    coded = compressed and len(body) >= WORTH_COMPRESSING_BYTES
    if coded:
        body = compress(body, compresslevel=1, mtime=0)
    weight += len(body)
    etag = f'"{sha256(content_type.encode() + bytes(1) + body).hexdigest()[:32]}"'
    headers = CIMultiDict(
        {
            "Content-Type": f"{content_type}; charset=utf-8" if content_type == TEXT_HTML else content_type,
            "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}",
            "ETag": etag,
            "Vary": "Accept, Accept-Encoding",
        }
    )
    if coded:
        headers["Content-Encoding"] = "gzip"
    if content_type != V1_JSON:
        headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        headers["Referrer-Policy"] = "no-referrer"
    held = MemoryFile(body) if len(body) > LARGEST_BYTES_OBJECT else body
    return Rendering(held, etag, weight, headers, wire_head(headers, len(body)))
