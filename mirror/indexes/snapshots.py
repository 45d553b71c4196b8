"""What an upstream last said, in the store, so that it can be served after a restart while the upstream is gone.

A snapshot that cannot be understood, or is of another version, counts as none: the upstream has the truth.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

from mirror.errors import FileNotFound
from mirror.ports import Store, Validators

V = TypeVar("V")

LARGE_BYTES = 256 * 1024
"""A snapshot beyond this is decoded in a thread."""
LARGE_WEIGHT = 500
"""A value of more entries is encoded in a thread: about as large."""


class Snapshot(msgspec.Struct, Generic[V], frozen=True, kw_only=True):
    """The document: what was said, how to ask again conditionally, and when it was said."""

    version: Literal[1] = 1
    value: V
    validators: Validators
    confirmed: float
    """Unix seconds. It is not renewed when the upstream says the same again, so that a warm page costs no write."""


@dataclass(frozen=True, slots=True)
class Snapshots(Generic[V]):
    """The snapshots of one kind.

    Attributes:
        store: where they are.
        decoder: of their documents.
        key_of: makes the store's key of a thing's own.
        weight: entries of a value, to tell the large from the small.
    """

    store: Store
    decoder: msgspec.json.Decoder[Snapshot[V]]
    key_of: Callable[[str], str]
    weight: Callable[[V], int]

    async def load(self, key: str) -> Snapshot[V] | None:
        """Give the snapshot; None when there is none that can be understood.

        Raises:
            StoreError: the store failed.
        """
        try:
            data, _ = await self.store.get(self.key_of(key))
        except FileNotFound:
            return None
        try:
            if len(data) > LARGE_BYTES:
                return await asyncio.to_thread(self.decoder.decode, data)
            return self.decoder.decode(data)
        except ValueError:
            return None

    async def save(self, key: str, snapshot: Snapshot[V]) -> None:
        """Put a snapshot in the place of the last one.

        Raises:
            StoreError: the store failed.
        """
        if self.weight(snapshot.value) > LARGE_WEIGHT:
            data = await asyncio.to_thread(msgspec.json.encode, snapshot)
        else:
            data = msgspec.json.encode(snapshot)
        await self.store.put(self.key_of(key), data)
