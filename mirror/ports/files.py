"""The bytes of located files, and the local disk that keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sized
from pathlib import Path
from typing import Protocol

from mirror.model import FileRef, HeldFile
from mirror.names import Sha256


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


class Stretch(Sized, Protocol):
    """Bytes of an open file, to be sent by `sendfile` or to be read."""

    @property
    def start(self) -> int:
        """Offset of the first byte in the file."""
        ...

    def fileno(self) -> int:
        """Give the file's descriptor."""
        ...

    def pieces(self, start: int) -> AsyncIterator[bytes]:
        """Read the bytes from this offset of the file on, in pieces.

        Raises:
            StoreError: the disk failed.
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

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes | Stretch]:
        """Give bytes [start, stop) in order as they come; the last ones of the file only when its digest is right.

        What is on the disk already is given as a `Stretch`, which is good until the next chunk is asked for.

        Raises:
            Corrupt: the bytes are not what the index promised; what came before must be thrown away.
            UpstreamError, StoreError: the download broke.
        """
        ...


class FileCache(Protocol):
    """Verified bytes on the local disk, by their digest, and room for those that are still coming."""

    def spool(self) -> Path:
        """Name a file that does not exist yet: a download is written there, and committed from there or removed."""
        ...

    def board(self, name: str) -> Path:
        """Name the file by which the processes that share this cache agree who fetches what this name stands for."""
        ...

    def relieve(self) -> bool:
        """Make room since the disk is full: remove some of the files that were not used for longest; it blocks.

        Returns:
            Whether there is more room than before; False: nothing was left to remove, or the disk failed.
        """
        ...

    def remembered(self, sha256: Sha256) -> HeldFile | None:
        """Give the file of this digest with its bytes when it is held in memory; None says nothing: ask `find`."""
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
