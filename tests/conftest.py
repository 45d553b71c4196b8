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
        locks = guard.functions["threading.Lock.acquire"]
        # Coverage counts from within our own frames, and its threads wait for each other.
        locks.can_block_in("coverage/collector.py", {"lock_data"})
        # Handing work to a thread takes a lock that the threads hold for an instant when they begin and end.
        locks.can_block_in("concurrent/futures/thread.py", {"submit"})
        # From memory, and into a connection that takes what it has room for.
        guard.functions["os.sendfile"].can_block_in("proxy/sendfile.py", {"send_at_once", "send_some"})
        yield guard
