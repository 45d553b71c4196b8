"""What the bytes of held files taught us, one document a project in the store.

Facts are never lost to a race: a document changes by compare-and-swap, and what another writer added is kept. A document
that cannot be read is a failure and never "nothing learned": it pins what a file's bytes were when they were first seen.
"""

import asyncio
from collections.abc import Mapping
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


class _Document(msgspec.Struct, frozen=True):
    facts: dict[str, Learned]
    etag: str | None
    """None: there is no such document."""


def _weight(document: _Document) -> int:
    return min(len(document.facts) + 1, HELD_FACTS)


class StoreLedger:
    """Fulfils `mirror.ports.Ledger` with documents in a store.

    Args:
        store: where the documents are.
        homes: the URL of each source that is elsewhere, so that what one feed taught is not believed of another that
            bears its name later; a source that is not named here is local.
    """

    def __init__(self, store: Store, homes: Mapping[str, str] = _NOWHERE) -> None:
        self._store = store
        self._homes = {source: layout.home_of(url) for source, url in homes.items()}
        self._documents: LRUCache[str, _Document] = LRUCache(HELD_FACTS, getsizeof=_weight)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def learned(self, source: str, project: ProjectName) -> dict[str, Learned]:
        """Give what is known of a project's files; see the port."""
        key = self._key(source, project)
        document = self._documents.get(key)
        if document is None:
            async with self._lock(key):
                document = self._documents.get(key)
                if document is None:
                    document = await self._read(key)
        return document.facts

    async def learn(self, source: str, project: ProjectName, filename: str, facts: Learned) -> None:
        """Add what a file taught; see the port."""
        key = self._key(source, project)
        # One writer at a time here, so that only other processes are left to lose against.
        async with self._lock(key):
            document = self._documents.get(key) or await self._read(key)
            for _ in range(ATTEMPTS):
                try:
                    return await self._add(key, document, filename, facts)
                except Conflict:
                    document = await self._read(key)
        raise StoreError(f"What was learned of {filename} could not be kept: others kept changing {key}.")

    def _key(self, source: str, project: ProjectName) -> str:
        return layout.learned(source, self._homes.get(source, layout.LOCAL), project)

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    async def _read(self, key: str) -> _Document:
        try:
            data, info = await self._store.get(key)
        except FileNotFound:
            document = _Document({}, None)
        else:
            try:
                large = len(data) > LARGE_BYTES
                facts = await asyncio.to_thread(_FACTS.decode, data) if large else _FACTS.decode(data)
            except ValueError as error:
                raise StoreError(
                    f"{key} in the store is damaged; remove it to learn it anew from the files."
                ) from error
            document = _Document(facts, info.etag)
        self._documents[key] = document
        return document

    async def _add(self, key: str, document: _Document, filename: str, facts: Learned) -> None:
        if document.facts.get(filename) == facts:
            return
        added = document.facts | {filename: facts}
        large = len(added) > LARGE_FACTS
        data = await asyncio.to_thread(msgspec.json.encode, added) if large else msgspec.json.encode(added)
        info = await self._store.put(key, data, if_match=document.etag, if_absent=document.etag is None)
        self._documents[key] = _Document(added, info.etag)
