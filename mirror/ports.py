"""Where the house opens to the outside: protocols only. Services are written against these, adapters fulfil them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from mirror.model import Answer, FileRef, HeldFile, Learned, Listing, ProjectList, ProjectPage
from mirror.names import ProjectName, Sha256

Clock = Callable[[], float]
"""Unix seconds, as `time.time` gives them; handed in so that tests own the time."""


class Index(Protocol):
    """A repository. Every feature is a wrapper around one of these.

    "Project unknown" and "file unknown" are different errors: the first lets the next source answer, the second does
    not. That difference is the defence against dependency confusion.
    """

    async def projects(self) -> Listing:
        """List every project.

        Raises:
            UpstreamError: a source that would have to be asked failed, and nothing is held in its place.
            StoreError: the store failed.
        """
        ...

    async def project(self, name: ProjectName) -> Answer:
        """Give a project's page: the same `ProjectPage` object for as long as it says the same.

        Raises:
            ProjectNotFound: it is known not to be here.
            UpstreamError: the source failed, and nothing is held in its place.
            StoreError: the store failed.
        """
        ...

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find one file.

        Raises:
            ProjectNotFound, UpstreamError, StoreError: as `project`.
            FileNotFound: the project is here and has no such file.
        """
        ...


class Source(Index, Protocol):
    """An index that is one of the ordered sources of another."""

    name: str
    """Its name in the configuration."""
    identity: str
    """What that name stands for: another one once it is pointed elsewhere, so that no old word of it counts any more."""

    async def recall(self, name: ProjectName) -> Answer:
        """Give what is held of a project's page, asking nobody outside.

        A local source (a catalogue) knows all it holds: here `recall` and `project` are the same.

        Raises:
            ProjectNotFound: nothing is held; for a remote source this says nothing about whether it knows the project.
            StoreError: the store failed.
        """
        ...

    async def recall_projects(self) -> Listing:
        """List what `projects` last said, asking nobody outside; empty when nothing is held.

        Raises:
            StoreError: the store failed.
        """
        ...

    @property
    def remote(self) -> bool:
        """Whether answering means asking somebody outside."""
        ...


class Validators(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an upstream gave to ask again conditionally (RFC 9110 section 8.8)."""

    etag: str | None = None
    last_modified: str | None = None


class FetchedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A project page that an upstream sent whole and that was validated."""

    page: ProjectPage
    validators: Validators


class FetchedList(msgspec.Struct, frozen=True, kw_only=True):
    """A project list that an upstream sent whole and that was validated."""

    projects: ProjectList
    validators: Validators


class Body(Protocol):
    """The body of one upstream answer, arriving."""

    start: int
    """The offset of its first byte in the file: 0 unless the upstream honoured a range."""
    total: int | None
    """Bytes of the whole file, where the upstream told."""
    validator: str | None
    """A strong ETag or a Last-Modified date that `If-Range` takes to continue this very file."""
    delimited: bool
    """Whether the answer says where it ends; without that a connection that breaks looks like the end of the file."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes as they arrive.

        Raises:
            UpstreamError: the body broke off, or came short of what was announced.
        """
        ...


class Upstream(Protocol):
    """A simple index elsewhere, with its credentials and its limits. It keeps nothing."""

    name: str

    async def fetch_page(self, project: ProjectName, known: Validators | None = None) -> FetchedPage | None:
        """Ask for a project page; None when it is unmodified since `known`.

        File URLs are absolute and of scheme http or https; whether one may be followed is decided when it is.

        Raises:
            ProjectNotFound: the upstream answered 404 or 410.
            UpstreamError: anything else: no answer, a sign-in page, a cut, oversized or malformed document.
        """
        ...

    async def fetch_list(self, known: Validators | None = None) -> FetchedList | None:
        """Ask for the project list; None when it is unmodified since `known`.

        Raises:
            UpstreamError: it could not be had.
        """
        ...

    def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AbstractAsyncContextManager[Body]:
        """Ask for a file, or for bytes [start, stop) of it, without coding (`Accept-Encoding: identity`).

        The answer may be the whole file although a range was asked for: look at `Body.start`. With a `validator`
        (sent as If-Range) a changed file comes whole. A range that is beyond the end raises `Corrupt`.

        Raises (on entering):
            FileNotFound: the upstream answered 404 or 410.
            Refused: the URL, or a redirect, points where this upstream's files may not be.
            Corrupt: the range cannot be satisfied.
            UpstreamError: anything else.
        """
        ...

    async def fetch_metadata(self, url: str) -> bytes:
        """Ask for the core metadata file beside a distribution file: `<url>.metadata` (PEP 658), whole and decoded.

        Raises:
            FileNotFound, Refused, UpstreamError: as `open_file`.
        """
        ...


class Ledger(Protocol):
    """What the bytes of held files taught us, kept in the store: a source's pages are completed from it."""

    async def learned(self, source: str, project: ProjectName) -> dict[str, Learned]:
        """Give what is known of a project's files, by file name; the same object until something is added.

        Raises:
            StoreError: the store failed.
        """
        ...

    async def learn(self, source: str, project: ProjectName, filename: str, facts: Learned) -> None:
        """Add what a file taught; what was known of it before is replaced.

        Raises:
            StoreError: the store failed.
        """
        ...


class FileCache(Protocol):
    """Verified bytes on the local disk, by their digest, and room for those that are still coming."""

    def spool(self) -> Path:
        """Name a file that does not exist yet: a download is written there, and committed from there or removed."""
        ...

    async def find(self, sha256: Sha256, size: int | None = None) -> HeldFile | None:
        """Give the file of this digest, or None. Where there is doubt about its bytes they are hashed first.

        Args:
            sha256: of the file.
            size: bytes that it should have, where somebody said it; another size on disk is such a doubt.

        Raises:
            StoreError: the disk could not be read; this says nothing about whether the file is there.
        """
        ...

    async def commit(self, spooled: Path, sha256: Sha256, size: int) -> HeldFile:
        """Keep a spooled file whose digest and size were verified, durably and at once. Held already: done.

        Raises:
            StoreError: the disk failed; the spooled file may still be there.
        """
        ...

    async def read_metadata(self, sha256: Sha256) -> bytes | None:
        """Give the core metadata of this digest, verified, or None.

        Raises:
            StoreError: the disk could not be read.
        """
        ...

    async def keep_metadata(self, metadata: bytes) -> Sha256:
        """Keep a wheel's core metadata and give its digest.

        Raises:
            StoreError: the disk failed.
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


class Files(Protocol):
    """Where the face gets the bytes of a located file: local disk, else the upstream, once, verified."""

    async def held(self, ref: FileRef) -> HeldFile | None:
        """Give the file from the local disk, or None; asks nobody outside."""
        ...

    async def obtain(self, ref: FileRef) -> HeldFile | Arriving:
        """Give the whole file: from the local disk, or by joining or starting its one download.

        A small file is whole and verified when this returns; a larger one comes as it arrives.

        Raises:
            FileNotFound: the upstream has lost it, or it is not held and `ref` is not reachable.
            Refused: its URL points where the upstream's files may not be.
            Corrupt: its bytes are not what the index promised.
            UpstreamError, StoreError: it could not be had.
        """
        ...

    async def size(self, ref: FileRef) -> int:
        """Give the size in bytes without downloading the file: held, listed, learned, or asked for.

        Raises:
            FileNotFound, Refused, UpstreamError: as `obtain`.
        """
        ...

    async def part(self, ref: FileRef, start: int, stop: int) -> HeldFile | Arriving:
        """Give bytes [start, stop) of a file that may be large, without pulling the whole of it where that can be avoided.

        Read the answer with `chunks(start, stop)`: offsets are those of the whole file.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError: as `obtain`.
        """
        ...

    async def metadata(self, ref: FileRef) -> bytes:
        """Give a wheel's core metadata, verified: the upstream's sidecar by its hash, else from the verified wheel.

        Raises:
            FileNotFound: the file has none.
            Refused, Corrupt, UpstreamError: as `obtain`.
        """
        ...


class Arriving(Protocol):
    """Bytes on their way, unverified until their end."""

    @property
    def size(self) -> int | None:
        """Of the whole file in bytes, where it is known."""
        ...

    @property
    def tag(self) -> str:
        """An entity tag of this stream alone: it never equals the verified file's, so nothing is glued to it."""
        ...

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Give bytes [start, stop) in order as they come; the last ones of the file only when its digest is right.

        Raises:
            Corrupt: the bytes are not what the index promised; what came before must be thrown away.
            UpstreamError, StoreError: the download broke.
        """
        ...
