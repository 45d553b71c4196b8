"""Where bytes and records are kept, and the ledger of what was learned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from mirror.model import Learned
from mirror.names import ProjectName


class Ledger(Protocol):
    """What the bytes of held files taught us, kept in the store: a source's pages are completed from it."""

    async def learned(self, source: str, project: ProjectName, *, now: bool = False) -> dict[str, Learned]:
        """Give what is known of a project's files, by file name; the same object until something is added.

        Args:
            source: that lists them.
            project: whose they are.
            now: what another process has just learned is seen as well, and not a moment later.

        Raises:
            StoreError: the store failed.
        """
        ...

    async def learn(
        self, source: str, project: ProjectName, filename: str, facts: Learned, *, replace: bool = False
    ) -> Learned:
        """Add what a file taught, and give what holds of it from now on.

        Args:
            source: that lists it.
            project: whose it is.
            filename: its name.
            facts: what its bytes say.
            replace: its source lists this digest, so what was known before is of another file. Without it the bytes that were
                seen first hold, whoever saw them.

        Raises:
            StoreError: the store failed.
        """
        ...


class BlobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a store knows of one object without opening it."""

    key: str
    size: int
    """Bytes."""
    etag: str
    """Changes with every change of the content; opaque."""
    modified: float
    """Unix seconds."""


class BlobReader(Protocol):
    """One object, open for reading, or a part of it."""

    info: BlobInfo

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes.

        Raises:
            StoreError: they could not be read to the end.
        """
        ...


class Store(Protocol):
    """Bytes and records under keys; shaped like object storage, not like a disk.

    A key is one or more segments of letters, digits, `.`, `_`, `-`, `+`, `!` joined by `/`, none of them `.` or `..`; any other
    raises `Invalid`. No key may be the folder of another. Nothing is readable before it is whole. Only `FileNotFound` is a miss.
    """

    async def stat(self, key: str) -> BlobInfo:
        """Describe an object.

        Raises:
            FileNotFound: there is none.
            StoreError: the store failed.
        """
        ...

    def open(
        self, key: str, *, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[BlobReader]:
        """Open bytes [start, stop) of an object.

        Raises (on entering):
            FileNotFound: there is none.
            StoreError: the store failed.
        """
        ...

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read a record whole, with the info to change it by.

        Raises:
            FileNotFound: there is none.
            StoreError: the store failed.
        """
        ...

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write a record whole, atomically.

        Args:
            key: where.
            data: the content.
            if_match: write only when the object's ETag is this one.
            if_absent: write only when there is no object.

        Raises:
            Conflict: the condition does not hold; nothing was written.
            StoreError: the store failed.
        """
        ...

    def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List the objects whose key begins with `prefix`, sorted by key.

        Raises:
            StoreError: the store failed.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; removing what is not there is done already.

        Raises:
            StoreError: the store failed.
        """
        ...

    async def check(self) -> None:
        """Write, read and remove a probe: the store works, now.

        Raises:
            StoreError: it does not, and why.
        """
        ...
