"""A simulator on a thread of its own, for tests that block."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.simulator.feed import PATIENCE_SECONDS, Simulator


@contextmanager
def running_simulator(feed: Simulator) -> Iterator[Simulator]:
    """Run a simulator on its own thread and event loop, and give it back to be asked and steered."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(feed.__aenter__(), loop).result(PATIENCE_SECONDS)
        try:
            yield feed
        finally:
            asyncio.run_coroutine_threadsafe(feed.__aexit__(), loop).result(PATIENCE_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()
