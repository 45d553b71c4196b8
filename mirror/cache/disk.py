"""The cache as the services see it: `mirror.ports.FileCache` over the trees, with doubts resolved before anything is given."""

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from mirror.cache import session as sessions
from mirror.cache.memory import Memory
from mirror.cache.session import Session
from mirror.cache.shelf import Shelf, Tree
from mirror.flight import board
from mirror.flight.spool import Spool, disk_failures, ended
from mirror.model import HeldFile
from mirror.names import Sha256
from mirror.once import Once
from mirror.ports import Clock

_PROVERS = ThreadPoolExecutor(2, thread_name_prefix="prover")
"""Threads of their own: after a crash every large file is read to its end once, and nothing that is short may wait for that."""


class DiskCache:
    """Verified files and metadata on the local disk. Build it with `open`."""

    def __init__(
        self, root: Path, session: Session, shelf: Shelf, memory: Memory, doubtful: set[Sha256]
    ) -> None:
        self._root = root
        self._session = session
        self._shelf = shelf
        self._memory = memory
        self._doubtful = doubtful
        """Files that were perhaps damaged since they were proved."""
        self._settled: set[Sha256] = set()
        """Files of which that is not in doubt any more."""
        self._odd: set[Sha256] = set()
        """Files that are right although somebody says that they have another size."""
        self._proofs: Once[bool] = Once()

    @classmethod
    async def open(
        cls, root: Path, *, max_bytes: int, memory_bytes: int = 0, clock: Clock = time.time
    ) -> Self:
        """Open the cache in a folder, which is made when it is not there.

        Args:
            root: the folder, on a local disk.
            max_bytes: what both trees may hold together.
            memory_bytes: what of their small files may be held in memory too.
            clock: gives the times of commits and uses.

        Raises:
            StoreError: the folder cannot be used.
        """
        return await asyncio.to_thread(cls._open, root, max_bytes, Memory(memory_bytes, clock), clock)

    @classmethod
    def _open(cls, root: Path, max_bytes: int, memory: Memory, clock: Clock) -> Self:
        with disk_failures():
            root = root.absolute()
        with disk_failures(), sessions.alone(root):
            shelf = Shelf(root, max_bytes, clock)
            shelf.walk()
            doubtful = sessions.read_doubtful(root)
            sessions.boards(root).mkdir(exist_ok=True)
            board.sweep(sessions.boards(root))
            left = sessions.abandoned(root)
            if left:
                doubtful |= shelf.digests("files-v1")
                sessions.write_doubtful(root, doubtful)
                sessions.remove(left)
            return cls(root, Session(root), shelf, memory, doubtful)

    async def aclose(self) -> None:
        """Close the cache: nothing is left in the spool, and what is still doubtful, here or to others, is written down.

        Raises:
            StoreError: the disk failed.
        """
        await self._proofs.aclose()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with disk_failures(), sessions.alone(self._root):
            doubtful = (sessions.read_doubtful(self._root) - self._settled) | self._doubtful
            there = [digest for digest in doubtful if self._shelf.holds("files-v1", digest)]
            sessions.write_doubtful(self._root, there)
            self._session.close()
            board.sweep(sessions.boards(self._root))

    @property
    def total_bytes(self) -> int:
        """Bytes of all files and metadata that are held."""
        return self._shelf.total_bytes

    def spool(self) -> Path:
        """Name a file that does not exist yet, in the file system of the cache."""
        return self._session.path()

    def board(self, name: str) -> Path:
        """Name the file by which processes agree who fetches what a name stands for."""
        return sessions.boards(self._root) / hashlib.sha256(name.encode()).hexdigest()

    def relieve(self) -> bool:
        """Make room on a full disk; see the port."""
        try:
            return self._shelf.relieve()
        except OSError:
            return False

    def remembered(self, sha256: Sha256) -> HeldFile | None:
        """Give the file of this digest when memory has it, and the disk was asked for it a short while ago."""
        return self._memory.get(("files-v1", sha256))

    async def find(self, sha256: Sha256, size: int | None = None) -> HeldFile | None:
        """Give the file of this digest, or None; a doubtful one is hashed first, once however many ask.

        A small one comes with its bytes, which are hashed whenever they are read from the disk.

        Raises:
            StoreError: the disk could not be read.
        """
        known = self.remembered(sha256)
        if known is not None:
            return known
        with disk_failures():
            found = await asyncio.to_thread(self._look, sha256)
        if found is None:
            self._memory.forget(("files-v1", sha256))
            return None
        held, unchanged = found
        if held.body is not None:
            self._memory.keep(("files-v1", sha256), held)
            self._settle(sha256)
            return held
        if not unchanged:
            self._doubtful.add(sha256)
        is_odd = size is not None and size != held.size and sha256 not in self._odd
        if (sha256 in self._doubtful or is_odd) and not await self._proofs.run(
            sha256, lambda: self._prove(held)
        ):
            return None
        return held

    def _look(self, sha256: Sha256) -> tuple[HeldFile, bool] | None:
        """Find a file, and read and prove it where it may be held in memory; a damaged one is removed."""
        found = self._shelf.find("files-v1", sha256)
        if found is None or not self._memory.takes(found[0].size):
            return found
        read = self._read("files-v1", found[0])
        return None if read is None else (read, True)

    def _read(self, tree: Tree, held: HeldFile) -> HeldFile | None:
        try:
            body = held.path.read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(body).hexdigest() != held.sha256:
            self._shelf.drop(tree, held.sha256)
            return None
        return msgspec.structs.replace(held, body=body, size=len(body))

    async def _prove(self, held: HeldFile) -> bool:
        """Hash a file again, and remove it when it is damaged."""
        with disk_failures():
            good = await asyncio.get_running_loop().run_in_executor(_PROVERS, _is_intact, held)
            if not good:
                # In doubt it stays: somebody may have looked at it before it went, and not have heard of it yet.
                self._doubtful.add(held.sha256)
                await asyncio.to_thread(self._shelf.drop, "files-v1", held.sha256)
                return False
        self._odd.add(held.sha256)
        self._settle(held.sha256)
        return True

    async def commit(self, spooled: Path, sha256: Sha256, size: int) -> HeldFile:
        """Keep a spooled file whose digest and size were verified. Held already: done. A caller that is cancelled waits for it.

        Raises:
            StoreError: the disk failed; the spooled file may still be there.
        """
        renew = sha256 in self._doubtful
        with disk_failures():
            held = await ended(partial(self._shelf.put, spooled, "files-v1", sha256, size, renew=renew))
        self._settle(sha256)
        return held

    def _settle(self, sha256: Sha256) -> None:
        if sha256 in self._doubtful:
            self._doubtful.remove(sha256)
            self._settled.add(sha256)

    async def read_metadata(self, sha256: Sha256) -> bytes | None:
        """Give the core metadata of this digest, hashed when it is read; a damaged one is removed and is a miss.

        Raises:
            StoreError: the disk could not be read.
        """
        held = self._memory.get(("metadata-v1", sha256))
        if held is None:
            with disk_failures():
                held = await asyncio.to_thread(self._read_metadata, sha256)
            if held is None:
                self._memory.forget(("metadata-v1", sha256))
                return None
            self._memory.keep(("metadata-v1", sha256), held)
        return held.body

    def _read_metadata(self, sha256: Sha256) -> HeldFile | None:
        found = self._shelf.find("metadata-v1", sha256)
        return None if found is None else self._read("metadata-v1", found[0])

    async def keep_metadata(self, metadata: bytes) -> Sha256:
        """Keep a wheel's core metadata and give its digest. A caller that is cancelled waits for it.

        Raises:
            StoreError: the disk failed.
        """
        with disk_failures():
            return await ended(partial(self._keep_metadata, metadata))

    def _keep_metadata(self, metadata: bytes) -> Sha256:
        sha256 = Sha256(hashlib.sha256(metadata).hexdigest())
        path = self.spool()
        spool = Spool(path, writing=True, relieve=self.relieve)
        try:
            spool.write(metadata, 0)
            self._shelf.put(path, "metadata-v1", sha256, len(metadata), renew=False)
        finally:
            spool.close()
            path.unlink(missing_ok=True)
        return sha256


def _is_intact(held: HeldFile) -> bool:
    """Compare a file's content with its name."""
    try:
        with held.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == held.sha256
    except FileNotFoundError:
        return False
