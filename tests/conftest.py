"""What every test lives by: no network but loopback, and nothing that blocks the event loop."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def blockbuster(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Fail a test in which our own code blocks the event loop."""
    with blockbuster_ctx(scanned_modules=["config", "mirror", "proxy", "wheelkeep"]) as guard:
        # Coverage counts from within our own frames, and its threads wait for each other.
        guard.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", "lock_data")
        yield guard
