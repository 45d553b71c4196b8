"""Sending: what the disk says is told as a failure of the store, before any byte of the answer."""

from pathlib import Path

import pytest

from mirror.errors import StoreError
from proxy.views import sending

UNREADABLE = Path("/proc/self/mem")
"""Opens, has no bytes, and fails when its first ones are read."""


async def test_what_cannot_be_read_is_a_failure_of_the_store() -> None:
    """A held file whose bytes the disk does not give is a `StoreError`, which is a 503 with a sentence."""
    with pytest.raises(StoreError, match="cannot be read"):
        await sending.read(UNREADABLE, 0, 1, 0)
