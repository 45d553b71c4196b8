"""The file service: for each question the cheapest answer that is right."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from cachetools import TTLCache

from mirror.errors import Corrupt, FileNotFound, StoreError, Throttled, WheelkeepError
from mirror.events import FileLooked, Observer, nobody
from mirror.fetch.lessons import Lessons, file_key
from mirror.fetch.relay import Relay
from mirror.fetch.sidecars import Sidecars
from mirror.flight import Division, Flight, Flights, Origin, Promise
from mirror.flight.origin import RESUME_PAUSES_SECONDS
from mirror.flight.segments import DIVISION
from mirror.model import FileRef, HeldFile
from mirror.names import Sha256
from mirror.once import Once
from mirror.ports import Arriving, FileCache, Ledger, Upstream

T = TypeVar("T")

KIB = 1024
BUSY_RETRY_SECONDS = 5
_MOST_SIZES = 10_000
_SIZE_MEMORY_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What the file service allows itself."""

    small_file_bytes: int = 256 * KIB
    """Files up to this size are whole and verified before their first byte is given."""
    relay_from_bytes: int = 8 * KIB * KIB
    """A part of a file from this size on comes straight from the upstream; a smaller file is pulled whole."""
    max_file_bytes: int = 20_000_000_000
    """A larger file is refused."""
    flights: int = 500
    """Downloads under way at one time; one that would be more is refused for a moment."""
    resume_pauses_seconds: tuple[float, ...] = RESUME_PAUSES_SECONDS
    """What is waited before each attempt to continue a download that broke."""
    division: Division = DIVISION
    """From when on a file is pulled in several ranges at once, and how."""


class FileService:
    """Where the face gets the bytes of a located file. It fulfils `mirror.ports.Files`."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        cache: FileCache,
        ledger: Ledger,
        *,
        observer: Observer = nobody,
        limits: FileLimits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Introduce the service to its neighbours.

        Args:
            upstreams: by the name of the source that they feed.
            cache: the local disk.
            ledger: where it is kept what files teach.
            observer: told of every look-up and flight.
            limits: the defaults when None.
            monotonic: seconds on a clock that never goes back.
        """
        self._upstreams = upstreams
        self._cache = cache
        self._observer = observer
        self._limits = limits or FileLimits()
        self._flights = Flights(observer=observer, monotonic=monotonic)
        self._lessons = Lessons(cache, ledger, observer)
        self._sidecars = Sidecars(
            cache, self._lessons, find=self._find, whole=self._whole, upstream=self._upstream
        )
        self._sizes: TTLCache[Hashable, int] = TTLCache(_MOST_SIZES, _SIZE_MEMORY_SECONDS, timer=monotonic)
        self._looks: Once[HeldFile | None] = Once()
        self._probes: Once[int] = Once()
        self._unread: set[Relay] = set()

    async def held(self, ref: FileRef) -> HeldFile | None:
        """Give the file from the local disk, or None; asks nobody outside.

        Raises:
            StoreError: the disk or the ledger could not be read.
        """
        held = await self._find(ref)
        if held is not None:
            self._lessons.remind(ref, held)
        return held

    async def obtain(self, ref: FileRef) -> HeldFile | Arriving:
        """Give the whole file: from the local disk, or by joining or starting its one download.

        It returns once the upstream has begun to answer; for a small file once that is verified.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: as `mirror.ports.Files.obtain`.
        """
        if not await self._is_flying(ref):
            held = await self._remembered(ref)
            if held is None:
                held = await self._looks.run(_identity(ref), lambda: self.held(ref))
            if held is not None:
                self._looked(ref, "hit")
                return held
        return await self._flown(ref, self._begun)

    async def size(self, ref: FileRef) -> int:
        """Give the size in bytes without downloading the file: held, listed, learned, or asked for.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: as `obtain`.
        """
        held = await self.held(ref)
        if held is not None:
            return held.size
        upstream = self._upstream(ref)
        if ref.file.size is not None:
            return ref.file.size
        facts = await self._lessons.facts(ref)
        if facts is not None:
            return facts.size
        key = _identity(ref)
        flight = self._flights.get(await self._key(ref))
        known = self._sizes.get(key) if flight is None or flight.size is None else flight.size
        if known is not None:
            return known
        return await self._probes.run(key, lambda: self._probe(ref, upstream))

    async def part(self, ref: FileRef, start: int, stop: int) -> HeldFile | Arriving:
        """Give bytes [start, stop) of a file; read the answer with `chunks(start, stop)`.

        A flight under way is joined when it is at `start` already; else a large file's part is relayed.

        Raises:
            FileNotFound, Refused, Corrupt, UpstreamError, StoreError: as `obtain`.
        """
        held = await self.held(ref)
        if held is not None:
            self._looked(ref, "hit")
            return held
        size = await self.size(ref)
        flight = self._flights.get(await self._key(ref))
        near = flight is not None and start <= flight.released
        if not near and size >= self._limits.relay_from_bytes and (start, stop) != (0, size):
            relay = await Relay.open(
                self._upstream(ref), ref.file.url, start=start, stop=stop, size=size, unread=self._unread
            )
            if relay is not None:
                self._looked(ref, "relayed")
                return relay
        return await self.obtain(ref)

    async def metadata(self, ref: FileRef) -> bytes:
        """Give a wheel's core metadata, verified.

        Raises:
            FileNotFound: the file has none, or none that is known here.
            Refused, Corrupt, UpstreamError, StoreError: as `obtain`.
        """
        metadata, outcome = await self._sidecars.metadata(ref)
        self._observer(FileLooked(ref.source, outcome))
        return metadata

    async def aclose(self, seconds: float = 0) -> None:
        """Wait so long for downloads under way, then stop everything that this service has started."""
        await self._flights.aclose(seconds)
        owned = (self._looks, self._probes, self._sidecars, self._lessons)
        await asyncio.gather(*(part.aclose() for part in owned))
        for relay in list(self._unread):
            await relay.aclose()

    async def _remembered(self, ref: FileRef) -> HeldFile | None:
        """Give a file that is held in memory, without a task or a thread: this is the way of nearly every small file."""
        digest = await self._lessons.digest(ref)
        held = None if digest is None else self._cache.remembered(digest)
        if held is not None:
            self._lessons.remind(ref, held)
        return held

    async def _is_flying(self, ref: FileRef) -> bool:
        """Tell whether a file is on its way, so that nobody needs to look for it on the disk."""
        flight = self._flights.get(await self._key(ref)) if ref.reachable else None
        return flight is not None and flight.held is None

    async def _join(self, ref: FileRef) -> Flight:
        """Give the flight of a file that is not held, started here when there is none."""
        digest = await self._lessons.digest(ref)
        upstream = self._upstream(ref)
        key = digest or file_key(ref)
        evicted = await self._evicted(key)
        flight = self._flights.get(key)  # from here to the launch nothing is awaited: a key has one flight
        if flight is not None and flight is not evicted:
            self._looked(ref, "joined")
            return flight
        if len(self._flights) >= self._limits.flights:
            raise Throttled(
                ref.source,
                f"{self._limits.flights} files of upstreams are under way, as many as the limits allow: ask again.",
                retry_after=BUSY_RETRY_SECONDS,
            )
        self._looked(ref, "miss")
        flight = Flight(
            Origin(
                upstream=upstream,
                url=ref.file.url,
                promise=Promise.of(ref.file, digest),
                max_bytes=self._limits.max_file_bytes,
                resume_pauses_seconds=self._limits.resume_pauses_seconds,
                division=self._limits.division,
            ),
            self._cache.spool(),
            board=self._cache.board(digest or "\n".join(file_key(ref))),
            relieve=self._cache.relieve,
            find=partial(self._find, ref),
            land=self._cache.commit,
            settle=partial(self._lessons.take, ref),
        )
        self._flights.launch(key, flight, source=ref.source, file=_identity(ref))
        return flight

    async def _evicted(self, key: Hashable) -> Flight | None:
        """Give the flight of a key when it has landed, and its file has left the disk already."""
        flight = self._flights.get(key)
        if flight is None or flight.held is None:
            return None
        return flight if await self._cache.find(flight.held.sha256) is None else None

    async def _flown(self, ref: FileRef, progress: Callable[[Flight], Awaitable[T]]) -> T:
        """Wait for the progress of the flight of a file; the failure of one that another source began is not this one's."""
        while True:
            flight = await self._join(ref)
            try:
                return await progress(flight)
            except WheelkeepError:
                if flight.origin.upstream is self._upstreams[ref.source]:
                    raise

    async def _begun(self, flight: Flight) -> HeldFile | Flight:
        """Wait until there is something to give of a flight: all of it, where it is small."""
        await flight.opened()
        if flight.held is not None:
            return flight.held
        if flight.size is not None and flight.size <= self._limits.small_file_bytes:
            try:
                return await flight.landed()
            except StoreError:
                if not flight.proved:
                    raise  # else it is given, although it cannot be kept
        return flight

    async def _whole(self, ref: FileRef) -> HeldFile:
        """Give the whole verified file, however large it is."""
        held = await self._find(ref)
        return await self._flown(ref, Flight.landed) if held is None else held

    async def _find(self, ref: FileRef, known: Sha256 | None = None) -> HeldFile | None:
        """Look for a file on the local disk by the digest that it is known to have, or must have."""
        digest = known or await self._lessons.digest(ref)
        return None if digest is None else await self._cache.find(digest, ref.file.size)

    async def _key(self, ref: FileRef) -> Hashable:
        """Give the key by which the flight of a file is joined."""
        return await self._lessons.digest(ref) or file_key(ref)

    async def _probe(self, ref: FileRef, upstream: Upstream) -> int:
        """Ask the upstream for one byte, since its answer tells the size; without that, only the whole file does."""
        total: int | None = None
        with suppress(Corrupt):  # an empty file has no first byte
            async with upstream.open_file(ref.file.url, start=0, stop=1) as body:
                total = body.total
        if total is None:
            total = (await self._whole(ref)).size
        self._sizes[_identity(ref)] = total
        return total

    def _upstream(self, ref: FileRef) -> Upstream:
        """Give whom to ask for a file that is not held.

        Raises:
            FileNotFound: nobody may be asked.
            Corrupt: it came wrong a short while ago.
        """
        if not ref.reachable:
            raise FileNotFound(f"{ref.file.filename} is not held here, and this index is offline.")
        upstream = self._upstreams.get(ref.source)
        if upstream is None or not ref.file.url:
            raise FileNotFound(
                f"{ref.file.filename} is not held here, and {ref.source} has no upstream to ask."
            )
        self._flights.check(_identity(ref))
        return upstream

    def _looked(self, ref: FileRef, outcome: Literal["hit", "miss", "joined", "relayed"]) -> None:
        self._observer(FileLooked(ref.source, outcome))


def _identity(ref: FileRef) -> Hashable:
    """Name a file and the bytes that are expected of it: what its size and its corruption are remembered by."""
    return *file_key(ref), ref.file.sha256
