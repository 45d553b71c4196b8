"""How fast one stream brings a file, judged by the time that is spent waiting for it alone."""

from collections.abc import AsyncIterator, Callable


class Pace:
    """Counts what comes while it is waited for: a disk or a processor that is busy here does not make an upstream slow."""

    def __init__(
        self, *, watch_seconds: float, fast_bytes_per_second: int, monotonic: Callable[[], float]
    ) -> None:
        """Begin with nothing.

        Args:
            watch_seconds: how much waiting it takes to call a stream slow; 0: every stream is.
            fast_bytes_per_second: what a stream brings that is not slow.
            monotonic: seconds on a clock that never goes back.
        """
        self._watch_seconds = watch_seconds
        self._fast_bytes_per_second = fast_bytes_per_second
        self._monotonic = monotonic
        self._seconds = 0.0
        self._bytes = 0

    async def next(self, chunks: AsyncIterator[bytes | memoryview]) -> bytes | memoryview | None:
        """Wait for the next chunk; None at the end.

        Raises:
            whatever the chunks raise.
        """
        began = self._monotonic()
        chunk = await anext(chunks, None)
        self._seconds += self._monotonic() - began
        self._bytes += 0 if chunk is None else len(chunk)
        return chunk

    @property
    def is_fast(self) -> bool:
        """Whether what has come so far came fast, however little that is."""
        return self._bytes >= self._seconds * self._fast_bytes_per_second

    @property
    def is_slow(self) -> bool:
        """Whether it has been waited long enough to say that the stream is slow."""
        return not self._watch_seconds or (self._seconds >= self._watch_seconds and not self.is_fast)
