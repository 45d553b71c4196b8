"""What held files teach, where their sources did not say it: read from the bytes once, written to the ledger."""

import asyncio
import hashlib
import io
from typing import BinaryIO

from cachetools import LRUCache

from mirror import names, wheels
from mirror.errors import Corrupt, StoreError
from mirror.events import LearningFailed, Observer
from mirror.flight.spool import disk_failure, disk_failures
from mirror.model import FileRef, HeldFile, Learned
from mirror.names import ProjectName, Sha256
from mirror.once import Once
from mirror.ports import FileCache, Ledger

FileKey = tuple[str, ProjectName, str]
"""Source, project and file name."""

_MOST_REMEMBERED = 100_000


def file_key(ref: FileRef) -> FileKey:
    """Name a file by where it is listed."""
    return ref.source, ref.project, ref.file.filename


class Lessons:
    """The ledger as the file service uses it: a failure to write is told, survived and made up for."""

    def __init__(self, cache: FileCache, ledger: Ledger, observer: Observer) -> None:
        self._cache = cache
        self._ledger = ledger
        self._observer = observer
        self._unwritten: LRUCache[FileKey, Learned] = LRUCache(_MOST_REMEMBERED)
        self._written: LRUCache[FileKey, Sha256] = LRUCache(_MOST_REMEMBERED)
        """Files whose lesson is known to be in the ledger."""
        self._under_way: Once[None] = Once()

    async def facts(self, ref: FileRef) -> Learned | None:
        """Give what was learned from this very file.

        Raises:
            StoreError: the ledger cannot be read.
        """
        facts = self._unwritten.get(file_key(ref))
        if facts is None:
            facts = (await self._ledger.learned(ref.source, ref.project)).get(ref.file.filename)
        if facts is None or ref.file.sha256 not in {None, facts.sha256}:
            return None
        return facts

    async def digest(self, ref: FileRef) -> Sha256 | None:
        """Give the digest that the file must have: listed, else learned when it was first seen; None: nobody knows it.

        Raises:
            StoreError: the ledger cannot be read.
        """
        if ref.file.sha256 is not None:
            return ref.file.sha256
        facts = await self.facts(ref)
        if facts is None:  # before whatever comes is taken for the file, see whether another process has it
            facts = (await self._ledger.learned(ref.source, ref.project, now=True)).get(ref.file.filename)
        return None if facts is None else facts.sha256

    async def take(self, ref: FileRef, held: HeldFile) -> None:
        """Learn from a held file; what fails is told to the observer and tried again when the file is next served."""
        key = file_key(ref)
        try:
            metadata = await self.core_metadata(ref, held)
            facts = Learned(
                sha256=held.sha256,
                size=held.size,
                metadata_sha256=None if metadata is None else Sha256(hashlib.sha256(metadata).hexdigest()),
            )
            self._unwritten[key] = facts
            if metadata is not None:
                await self._cache.keep_metadata(metadata)
            holds = await self._ledger.learn(
                ref.source, ref.project, ref.file.filename, facts, replace=ref.file.sha256 is not None
            )
        except StoreError as error:
            self._observer(LearningFailed(ref.source, str(error)))
            return
        except FileNotFoundError:
            reason = f"{ref.file.filename} was evicted before it could be read; the cache is too small."
            self._observer(LearningFailed(ref.source, reason))
            return
        self._unwritten.pop(key, None)
        if holds.sha256 != held.sha256:
            reason = f"{ref.file.filename} was first seen with other bytes by another process: those hold."
            self._observer(LearningFailed(ref.source, reason))
            return
        self._written[key] = held.sha256

    def remind(self, ref: FileRef, held: HeldFile) -> None:
        """Make up for a lesson that was missed, behind the back of whoever is served; nothing to do nearly always."""
        key = file_key(ref)
        if self._written.get(key) != held.sha256:
            self._under_way.start(key, lambda: self._make_up(ref, held))

    async def _make_up(self, ref: FileRef, held: HeldFile) -> None:
        key = file_key(ref)
        try:
            learned = await self._ledger.learned(ref.source, ref.project)
        except StoreError as error:
            self._observer(LearningFailed(ref.source, str(error)))
            return
        facts = learned.get(ref.file.filename)
        if facts is not None and facts.sha256 == held.sha256:
            self._unwritten.pop(key, None)
            self._written[key] = held.sha256
        else:
            await self.take(ref, held)

    async def core_metadata(self, ref: FileRef, held: HeldFile) -> bytes | None:
        """Read the core metadata out of a verified wheel; None for what is no wheel, or has none that can be read.

        Raises:
            FileNotFoundError: it was evicted since it was looked up.
            StoreError: the file could not be read.
        """
        if not names.is_wheel(ref.file.filename):
            return None
        return await asyncio.to_thread(_core_metadata, held, ref.file.filename)

    async def aclose(self) -> None:
        """Stop what is being made up for."""
        await self._under_way.aclose()


def _core_metadata(held: HeldFile, filename: str) -> bytes | None:
    with _opened(held) as file, disk_failures():
        try:
            return wheels.core_metadata(file, filename)
        except Corrupt:
            return None


def _opened(held: HeldFile) -> BinaryIO:
    if held.body is not None:
        return io.BytesIO(held.body)
    try:
        return held.path.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_failure(error) from error
