"""A simple index elsewhere, and what it gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from mirror.model import ProjectList, ProjectPage
from mirror.names import ProjectName


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
    ranges: bool
    """Whether the answer proves that parts of the file can be had: it is one, or says so."""
    delimited: bool
    """Whether the answer says where it ends; without that a connection that breaks looks like the end of the file."""

    def chunks(self) -> AsyncIterator[bytes | memoryview]:
        """Give the bytes as they arrive; a chunk is good until the next one is asked for.

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
