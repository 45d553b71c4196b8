"""The reference store: a dictionary. It shows what the port means, and is what tests of services stand on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

from mirror.errors import Conflict, FileNotFound
from mirror.ports import BlobInfo
from mirror.stores.keys import check_key, check_prefix, probe


@dataclass(frozen=True, slots=True)
class _Object:
    info: BlobInfo
    data: bytes


class MemoryReader:
    """An object, or a part of it, as it was when it was opened."""

    def __init__(self, info: BlobInfo, data: bytes) -> None:
        self.info = info
        self._data = data

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes in one piece."""
        if self._data:
            yield self._data


class MemoryStore:
    """Objects in a dictionary; they end with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}

    def _find(self, key: str) -> _Object:
        check_key(key)
        try:
            return self._objects[key]
        except KeyError:
            raise FileNotFound(f"The store has no {key}.") from None

    async def stat(self, key: str) -> BlobInfo:
        """Describe an object; see the port."""
        await asyncio.sleep(0)
        return self._find(key).info

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncIterator[MemoryReader]:
        """Open an object, or a part of it; see the port."""
        await asyncio.sleep(0)
        found = self._find(key)
        yield MemoryReader(found.info, found.data[start:stop])

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read an object whole; see the port."""
        await asyncio.sleep(0)
        found = self._find(key)
        return found.data, found.info

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write an object whole; see the port."""
        check_key(key)
        await asyncio.sleep(0)
        old = self._objects.get(key)
        if if_absent and old is not None:
            raise Conflict(f"The store has {key} already.")
        if if_match is not None and (old is None or old.info.etag != if_match):
            raise Conflict(f"{key} is not what it was when it was read.")
        info = BlobInfo(key=key, size=len(data), etag=sha256(data).hexdigest(), modified=time.time())
        self._objects[key] = _Object(info, bytes(data))
        return info

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List objects by the beginning of their keys; see the port."""
        check_prefix(prefix)
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            await asyncio.sleep(0)
            if key in self._objects:
                yield self._objects[key].info

    async def delete(self, key: str) -> None:
        """Remove an object; see the port."""
        check_key(key)
        await asyncio.sleep(0)
        self._objects.pop(key, None)

    async def check(self) -> None:
        """See that the store works; see the port."""
        await probe(self)
