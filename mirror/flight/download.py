"""The download of a flight: one file into the spool, continued where its body breaks, never glued to another file."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from mirror.errors import Conflict, Corrupt, Refused, Unreachable
from mirror.flight.proof import Promise, Proof, Repetition
from mirror.flight.spool import Spool
from mirror.ports import Body, Upstream

RESUME_PAUSES_SECONDS = (0.0, 0.5, 2.0)
"""What is waited before each attempt to continue a body that broke; their number is the number of attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file comes from, and what is known of it before."""

    upstream: Upstream
    url: str
    promise: Promise
    max_bytes: int
    """A larger file is refused."""
    resume_pauses_seconds: tuple[float, ...] = RESUME_PAUSES_SECONDS


class Download:
    """Bytes from an upstream into a spool, in order, hashed as they come.

    Attributes:
        size: of the whole file in bytes, where it is known; it does not change once `answered`.
        written: bytes that are in the spool, from its start and without a hole.
        received: bytes that came over the wire, repetitions included.
        answered: whether the upstream has begun to give the file.
        proof: the digests of what is written.
    """

    def __init__(
        self, origin: Origin, spool: Spool, *, moved: Callable[[], None], unread: Callable[[], bool]
    ) -> None:
        """Prepare a download.

        Args:
            origin: where from.
            spool: where to.
            moved: called when `answered` or `written` has changed.
            unread: tells that nobody was given a byte yet, so that the file may be begun again.
        """
        self.size = origin.promise.size
        self.written = 0
        self.received = 0
        self.answered = False
        self.proof = Proof(origin.promise)
        self._origin = origin
        self._spool = spool
        self._moved = moved
        self._unread = unread
        self._validator: str | None = None
        self._continuable = False
        """Whether bytes may be asked for from the middle: what tells another file's bytes is known."""

    async def run(self) -> None:
        """Bring the whole file, of the size that was promised.

        Raises:
            Corrupt: its size is not what was promised.
            FileNotFound, Refused, UpstreamError: it could not be had, or changed under way.
            StoreError: the disk failed.
        """
        self._judge_size(self.size)
        try:
            for pause in (*self._origin.resume_pauses_seconds, None):
                try:
                    return await self._pull()
                except Unreachable:
                    if not self.answered or pause is None:
                        raise
                    await asyncio.sleep(pause)
        except Conflict as error:
            raise self._broken("changed on the upstream while it was downloaded") from error

    async def _pull(self) -> None:
        """Ask for what is missing, and take all that comes."""
        origin, at = self._origin, self.written if self._continuable else 0
        validator = self._validator if at else None
        async with origin.upstream.open_file(origin.url, start=at, validator=validator) as body:
            self._admit(body, at)
            await self._spool.opened()
            if body.start < self.written and self._unread():
                await self._restart(body)
            repetition = Repetition(self.proof, self.written - body.start)
            async for chunk in body.chunks():
                self.received += len(chunk)
                await self._append(await repetition.drop(chunk))
            repetition.check_done()
        if self.size is not None and self.written < self.size:
            raise self._broken("ended before its end")
        if self.size is None and not (body.delimited or self._origin.promise.proves_bytes):
            raise self._broken(
                "came without a length and without a digest, so nobody can tell whether it is whole"
            )

    def _admit(self, body: Body, at: int) -> None:
        """Judge an answer before its first byte is taken: it must be the file that is being downloaded."""
        if body.start not in {0, at}:
            raise self._broken("was answered with another range than was asked for")
        if not self.answered:
            if self.size is not None and body.total not in {None, self.size}:
                raise Corrupt(
                    f"{self._filename} has {body.total} bytes on the upstream, the index promised {self.size}."
                )
            self._judge_size(body.total)
            self.size = body.total if self.size is None else self.size
            self._validate_by(body)
            self.answered = True
            self._moved()
        if self.size is not None and body.total not in {None, self.size}:
            raise Conflict("The file has another size now.")
        if body.start and body.validator is not None and body.validator != self._validator:
            self._continuable = False
            raise self._broken("may have changed on the upstream")

    def _validate_by(self, body: Body) -> None:
        """Note how this very file is continued: by its validator, or by the digest that was promised."""
        self._validator = body.validator
        self._continuable = body.validator is not None or self._origin.promise.proves_bytes

    async def _restart(self, body: Body) -> None:
        """Begin the file again: nobody has seen what was here."""
        self.written = 0
        self.proof = Proof(self._origin.promise)
        self._validate_by(body)
        await asyncio.to_thread(self._spool.truncate)

    async def _append(self, data: bytes) -> None:
        """Write and hash the next bytes, unless they are more than there may be."""
        end = self.written + len(data)
        if self.size is not None and end > self.size:
            raise Corrupt(f"{self._filename} is longer than the {self.size} bytes that were promised.")
        self._judge_size(end)
        if data:
            await asyncio.to_thread(self._keep, data, self.written)
            self.written = end
            self._moved()

    def _keep(self, data: bytes, at: int) -> None:
        self._spool.write(data, at)
        self.proof.add(data)

    def _judge_size(self, size: int | None) -> None:
        if size is not None and size > self._origin.max_bytes:
            raise Refused(
                f"{self._filename} is larger than {self._origin.max_bytes} bytes:"
                " raise max_file_bytes in the limits to allow it."
            )

    def _broken(self, what: str) -> Unreachable:
        name = self._origin.upstream.name
        return Unreachable(name, f"{self._filename} from {name} {what}: ask again.")

    @property
    def _filename(self) -> str:
        return self._origin.promise.filename
