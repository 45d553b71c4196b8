"""One task a key, any number of waiters: work that many ask for at once is done once."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """Joins those who ask for the same thing while it is under way; keeps nothing once it is done.

    The work belongs to this object: a waiter that is cancelled stops nothing, and all waiters get one outcome, also when
    it is an error.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Value]] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._tasks

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Value]]) -> asyncio.Task[Value]:
        """Give the task that is under way for `key`, or start one. Nobody needs to wait for it."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return task

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Wait for the task of `key`, started here when there is none.

        Raises:
            whatever the work raises.
        """
        return await asyncio.shield(self.start(key, work))

    async def settled(self) -> None:
        """Wait until what is under way has ended, however it does."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it has stopped."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: Hashable, task: asyncio.Task[Value]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # seen, also when nobody waits any more
