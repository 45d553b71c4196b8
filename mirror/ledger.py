"""What the bytes of held files taught us, one document a project in the store.

Facts are never lost to a race: a document changes by compare-and-swap, and what another writer added is kept. A document
that cannot be read is a failure and never "nothing learned": it pins what a file's bytes were when they were first seen.
Several processes may learn of one project: the first to have seen a file pins it for all of them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from weakref import WeakValueDictionary

import msgspec
from cachetools import LRUCache

from mirror import layout
from mirror.errors import Conflict, FileNotFound, StoreError
from mirror.model import Learned
from mirror.names import ProjectName
from mirror.ports import Store

HELD_FACTS = 100_000
"""Facts kept in memory, about 400 bytes each."""
LARGE_BYTES = 256 * 1024
"""A document beyond this is decoded in a thread."""
LARGE_FACTS = 1_000
"""A document with more is encoded in a thread: about as large."""
ATTEMPTS = 20
"""At a compare-and-swap, before it is given up. Without pauses: each one that is lost brought another writer on."""

_FACTS = msgspec.json.Decoder(dict[str, Learned])
_NOWHERE: Mapping[str, str] = MappingProxyType({})


class _Document(msgspec.Struct):
    facts: dict[str, Learned]
    etag: str | None
    """None: there is no such document."""
    checked: float
    """When the store was last asked whether it is still this one."""


def _weight(document: _Document) -> int:
    return min(len(document.facts) + 1, HELD_FACTS)


class StoreLedger:
    """Fulfils `mirror.ports.Ledger` with documents in a store.

    Args:
        store: where the documents are.
        homes: the URL of each source that is elsewhere, so that what one feed taught is not believed of another that
            bears its name later; a source that is not named here is local.
        recheck_seconds: for so long a document is believed without a look at the store. What another process learns is seen
            after it.
        monotonic: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        store: Store,
        homes: Mapping[str, str] = _NOWHERE,
        *,
        recheck_seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._recheck_seconds = recheck_seconds
        self._monotonic = monotonic
        self._homes = {source: layout.home_of(url) for source, url in homes.items()}
        self._documents: LRUCache[str, _Document] = LRUCache(HELD_FACTS, getsizeof=_weight)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def learned(self, source: str, project: ProjectName, *, now: bool = False) -> dict[str, Learned]:
        """Give what is known of a project's files; see the port."""
        key, asked = self._key(source, project), self._monotonic()
        since = asked if now else asked - self._recheck_seconds
        document = self._documents.get(key)
        if document is None or document.checked <= since:
            async with self._lock(key):
                document = self._documents.get(key)
                if document is None or document.checked <= since:
                    document = await self._checked(key, document, now=now)
        return document.facts

    async def learn(
        self, source: str, project: ProjectName, filename: str, facts: Learned, *, replace: bool = False
    ) -> Learned:
        """Add what a file taught; see the port."""
        key = self._key(source, project)
        # One writer at a time here, so that only other processes are left to lose against.
        async with self._lock(key):
            document = self._documents.get(key) or await self._read(key)
            for _ in range(ATTEMPTS):
                try:
                    return await self._add(key, document, filename, facts, replace=replace)
                except Conflict:
                    document = await self._read(key)
        raise StoreError(f"What was learned of {filename} could not be kept: others kept changing {key}.")

    def _key(self, source: str, project: ProjectName) -> str:
        return layout.learned(source, self._homes.get(source, layout.LOCAL), project)

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    async def _checked(self, key: str, document: _Document | None, *, now: bool) -> _Document:
        """Give a document as the store has it; one that is unchanged stays the same.

        What is known stays true while the store fails, but for whoever needs to know it `now`.
        """
        if document is None:
            return await self._read(key)
        asked = self._monotonic()
        with suppress(*(() if now else (StoreError,))):
            if await self._etag(key) != document.etag:
                return await self._read(key)
        document.checked = asked
        return document

    async def _etag(self, key: str) -> str | None:
        try:
            return (await self._store.stat(key)).etag
        except FileNotFound:
            return None

    async def _read(self, key: str) -> _Document:
        asked = self._monotonic()
        try:
            data, info = await self._store.get(key)
        except FileNotFound:
            document = _Document({}, None, asked)
        else:
            try:
                large = len(data) > LARGE_BYTES
                facts = await asyncio.to_thread(_FACTS.decode, data) if large else _FACTS.decode(data)
            except ValueError as error:
                raise StoreError(
                    f"{key} in the store is damaged; remove it to learn it anew from the files."
                ) from error
            document = _Document(facts, info.etag, asked)
        self._documents[key] = document
        return document

    async def _add(
        self, key: str, document: _Document, filename: str, facts: Learned, *, replace: bool
    ) -> Learned:
        known = document.facts.get(filename)
        if known == facts:
            return facts
        if known is not None and known.sha256 != facts.sha256 and not replace:
            return known
        added = document.facts | {filename: facts}
        large = len(added) > LARGE_FACTS
        data = await asyncio.to_thread(msgspec.json.encode, added) if large else msgspec.json.encode(added)
        asked = self._monotonic()
        info = await self._store.put(key, data, if_match=document.etag, if_absent=document.etag is None)
        self._documents[key] = _Document(added, info.etag, asked)
        return facts
