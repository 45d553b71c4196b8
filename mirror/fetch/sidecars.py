"""The core metadata of wheels (PEP 658), from wherever it can be verified: the cache, the upstream's sidecar, the wheel."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal

from mirror import names
from mirror.errors import FileNotFound, StoreError
from mirror.fetch.lessons import Lessons, file_key
from mirror.flight.board import alone
from mirror.model import File, FileRef, HeldFile, Learned
from mirror.names import Sha256
from mirror.once import Once
from mirror.ports import FileCache, Upstream


class Sidecars:
    """Metadata for whoever asks, brought once however many ask.

    The wheel is the truth: what was read from its bytes goes before what an index lists, and a sidecar that is not what
    was listed is dropped and the wheel asked instead.
    """

    def __init__(
        self,
        cache: FileCache,
        lessons: Lessons,
        *,
        find: Callable[[FileRef], Awaitable[HeldFile | None]],
        whole: Callable[[FileRef], Awaitable[HeldFile]],
        upstream: Callable[[FileRef], Upstream],
    ) -> None:
        """Introduce the neighbours.

        Args:
            cache: where metadata is kept.
            lessons: what held wheels taught.
            find: gives a wheel that is held.
            whole: gives a wheel, downloaded when it is not held.
            upstream: gives whom to ask for a file, or raises why nobody may be asked.
        """
        self._cache = cache
        self._lessons = lessons
        self._find = find
        self._whole = whole
        self._upstream = upstream
        self._under_way: Once[bytes] = Once()

    async def metadata(self, ref: FileRef) -> tuple[bytes, Literal["hit", "joined", "miss"]]:
        """Give a wheel's metadata, and whether it was held, on its way, or had to be brought.

        Raises:
            FileNotFound: it has none, or none that can be verified.
            Refused, Corrupt, UpstreamError, StoreError: it could not be had.
        """
        if not names.is_wheel(ref.file.filename):
            raise _none(ref.file)
        facts = await self._lessons.facts(ref)
        digest = _listed(ref.file) if facts is None else facts.metadata_sha256
        if digest is not None:
            metadata = await self._cache.read_metadata(digest)
            if metadata is not None:
                return metadata, "hit"
        elif facts is not None:
            raise _none(ref.file)
        key = (*file_key(ref), ref.file.sha256, ref.reachable)
        joined = key in self._under_way
        metadata = await self._under_way.run(key, lambda: self._bring(ref, facts))
        return metadata, "joined" if joined else "miss"

    async def aclose(self) -> None:
        """Stop what is being brought."""
        await self._under_way.aclose()

    async def _bring(self, ref: FileRef, facts: Learned | None) -> bytes:
        """Get the metadata that is not held."""
        with suppress(FileNotFoundError):  # fetched again, it is there
            return await self._brought(ref, facts)
        try:
            return await self._brought(ref, facts)
        except FileNotFoundError as error:
            raise StoreError(
                f"{ref.file.filename} left the local disk as soon as it came; the cache is too small."
            ) from error

    async def _brought(self, ref: FileRef, facts: Learned | None) -> bytes:
        """Get it the cheapest way.

        Raises:
            FileNotFoundError: its wheel was evicted between the look and the opening.
        """
        held = await self._find(ref)
        if held is None:
            metadata = await self._sidecar(ref, facts)
            if metadata is not None:
                return metadata
            if not ref.file.core_metadata and facts is None:
                raise _none(ref.file)
            held = await self._whole(ref)
        metadata = await self._lessons.core_metadata(ref, held)
        if metadata is None:
            raise _none(ref.file)
        return await self._kept(metadata)

    async def _sidecar(self, ref: FileRef, facts: Learned | None) -> bytes | None:
        """Ask the upstream for its sidecar; None when it has lost it, or when it is not what was listed."""
        upstream = self._upstream(ref)
        listed = _listed(ref.file)
        if listed is None or (facts is not None and facts.metadata_sha256 != listed):
            return None
        async with alone(self._cache.board(f"metadata {listed}")):
            metadata = await self._cache.read_metadata(listed)
            if metadata is not None:  # another process has just brought it
                return metadata
            try:
                metadata = await upstream.fetch_metadata(ref.file.url)
            except FileNotFound:
                return None
            return await self._kept(metadata) if hashlib.sha256(metadata).hexdigest() == listed else None

    async def _kept(self, metadata: bytes) -> bytes:
        with suppress(StoreError):  # verified bytes are served although the disk is full
            await self._cache.keep_metadata(metadata)
        return metadata


def _listed(file: File) -> Sha256 | None:
    """Give the SHA-256 of the metadata that the source lists."""
    if isinstance(file.core_metadata, Mapping) and (digest := file.core_metadata.get("sha256")):
        return names.sha256(digest)
    return None


def _none(file: File) -> FileNotFound:
    return FileNotFound(f"There is no core metadata for {file.filename}.")
