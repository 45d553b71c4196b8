"""A gate: where a test holds an answer until it has looked at what happens meanwhile."""

import asyncio
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress


class Gate:
    """Holds whoever comes to it until it is opened, once and for good; safe from any thread and any event loop."""

    def __init__(self) -> None:
        self._reached: Future[None] = Future()
        self._opened: Future[None] = Future()

    def open(self) -> None:
        """Let everybody through."""
        _set(self._opened)

    async def reached(self) -> None:
        """Wait until somebody stands at the gate."""
        await _happened(self._reached)

    def wait_until_reached(self, seconds: float) -> None:
        """Block until somebody stands at the gate.

        Raises:
            TimeoutError: nobody came.
        """
        self._reached.result(seconds)

    async def passed(self) -> None:
        """Stand at the gate until it opens."""
        _set(self._reached)
        await _happened(self._opened)


async def _happened(event: Future[None]) -> None:
    """Wait for it without cancelling it when the waiter is cancelled."""
    await asyncio.shield(asyncio.wrap_future(event))


def _set(event: Future[None]) -> None:
    with suppress(InvalidStateError):
        event.set_result(None)
