"""Small files of the cache, held in memory too: what is there needs no disk and no thread."""

from cachetools import LRUCache

from mirror.model import HeldFile
from mirror.names import Sha256
from mirror.ports import Clock

SMALL_BYTES = 256 * 1024
"""Larger files go out by `sendfile`, which needs no bytes here."""
LOOK_AGAIN_SECONDS = 60
"""So often the disk is asked all the same: it must learn what is in use, and tell what it has no longer."""
_BESIDE_BYTES = 1024
"""What an entry costs beside its bytes."""

Key = tuple[str, Sha256]
"""The tree, and the digest that the bytes were proved to have: they can be wrong no more."""


class Memory:
    """Proved small files, the least recently used of them removed beyond `max_bytes`."""

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        self._clock = clock
        self._files: LRUCache[Key, tuple[HeldFile, float]] = LRUCache(
            max_bytes, getsizeof=lambda entry: entry[0].size + _BESIDE_BYTES
        )

    def takes(self, size: int) -> bool:
        """Tell whether a file of `size` bytes may be held."""
        return size <= SMALL_BYTES and size + _BESIDE_BYTES <= self._files.maxsize

    def get(self, key: Key) -> HeldFile | None:
        """Give a file with its bytes, when the disk was asked for it a short while ago."""
        entry = self._files.get(key)
        if entry is None or not 0 <= self._clock() - entry[1] < LOOK_AGAIN_SECONDS:
            return None
        return entry[0]

    def keep(self, key: Key, file: HeldFile) -> None:
        """Hold a file that was just read and proved."""
        if self.takes(file.size):
            self._files[key] = file, self._clock()

    def forget(self, key: Key) -> None:
        """Hold a file no longer, since the disk has it no longer."""
        self._files.pop(key, None)
