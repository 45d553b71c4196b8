"""What was promised of a file's bytes, and the proof that they keep it."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mirror import names, wheels
from mirror.errors import Conflict, Corrupt, StoreError
from mirror.model import File
from mirror.names import Sha256

_BY_STRENGTH = (
    "sha512",
    "sha3_512",
    "blake2b",
    "sha384",
    "sha3_384",
    "sha3_256",
    "blake2s",
    "sha224",
    "sha1",
    "md5",
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What is known of a file before its bytes come."""

    filename: str
    sha256: Sha256 | None = None
    """Of the whole file: listed, or learned when it was first seen."""
    other: tuple[str, str] | None = None
    """An algorithm of `hashlib` and its hexadecimal digest, where the source told one and no SHA-256."""
    size: int | None = None
    """Bytes."""

    @classmethod
    def of(cls, file: File, sha256: Sha256 | None) -> Self:
        """Take what a source lists of a file, and the digest that is expected of it, listed or learned."""
        return cls(file.filename, sha256, None if sha256 else _strongest(file.hashes), file.size)

    @property
    def proves_bytes(self) -> bool:
        """Whether a digest was promised, so that no wrong byte can stay unseen."""
        return self.sha256 is not None or self.other is not None


class Proof:
    """The digests of the bytes so far, in order, and the judgement at their end."""

    def __init__(self, promise: Promise) -> None:
        self._promise = promise
        self._sha256 = hashlib.sha256()
        self._other = (
            hashlib.new(promise.other[0], usedforsecurity=False) if promise.other is not None else None
        )

    def add(self, data: bytes | memoryview) -> None:
        """Take the next bytes; it takes a millisecond for one or two million of them."""
        self._sha256.update(data)
        if self._other is not None:
            self._other.update(data)

    @property
    def sha256(self) -> Sha256:
        """Of the bytes so far."""
        return Sha256(self._sha256.hexdigest())

    async def check(self, path: Path) -> None:
        """Judge the whole file, which is at `path` and whose size was judged already.

        A wheel of which no digest was promised must at least be one whole archive.

        Raises:
            Corrupt: the bytes are not what was promised.
            StoreError: the file could not be read back.
        """
        promise = self._promise
        if promise.sha256 is not None and self.sha256 != promise.sha256:
            raise Corrupt(
                f"{promise.filename} has the SHA-256 {self.sha256}, the index promised {promise.sha256}:"
                " nothing of it was kept. Ask the owner of the index which of them is wrong."
            )
        if promise.other is not None and self._other is not None:
            algorithm, expected = promise.other
            if self._other.hexdigest() != expected:
                raise Corrupt(
                    f"{promise.filename} has not the {algorithm} digest that the index promised: nothing of it was"
                    " kept. Ask the owner of the index which of them is wrong."
                )
        if not promise.proves_bytes and names.is_wheel(promise.filename):
            await asyncio.to_thread(_check_whole, path, promise.filename)


class Repetition:
    """The beginning of a body that gives once more what is here already: proved to be the same, then dropped.

    An upstream that does not honour a range sends the file from its start. When what it repeats is what is here, the
    rest of its body continues this file, whatever its validators say; when not, it is another file.
    """

    def __init__(self, here: Proof, size: int) -> None:
        self._expected = here.sha256
        self._left = size
        self._again = Proof(Promise(""))

    async def drop(self, chunk: bytes | memoryview) -> bytes | memoryview:
        """Give what of a chunk is new.

        Raises:
            Conflict: what is repeated is not what is here.
        """
        if self._left == 0:
            return chunk
        known, new = chunk[: self._left], chunk[self._left :]
        await asyncio.to_thread(self._again.add, known)
        self._left -= len(known)
        if self._left == 0 and self._again.sha256 != self._expected:
            raise Conflict("The file changed on the upstream.")
        return new

    def check_done(self) -> None:
        """Judge the end of the body.

        Raises:
            Conflict: it ended before it had repeated what is here.
        """
        if self._left:
            raise Conflict("The file became shorter on the upstream.")


def _strongest(hashes: Mapping[str, str]) -> tuple[str, str] | None:
    """Choose the strongest promise that can be checked here; one of the wrong length is none."""
    for algorithm in _BY_STRENGTH:
        digest = hashes.get(algorithm, "").lower()
        if digest and len(digest) == 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size:
            return algorithm, digest
    return None


def _check_whole(path: Path, filename: str) -> None:
    try:
        with path.open("rb") as file:
            wheels.check_whole(file)
    except Corrupt as error:
        raise Corrupt(f"{filename} is not a whole wheel: nothing of it was kept.") from error
    except OSError as error:
        raise StoreError(
            "A file that was just written to the cache cannot be read: check the disk."
        ) from error
