"""One task for all who want the same thing at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Tasks by key, each started by the first who asks and shared by those who come while it runs.

    The task belongs to this object: wait for it under `asyncio.shield` or `asyncio.wait`, so that a waiter who is
    cancelled stops nothing. Its outcome goes to all waiters and is forgotten at once, an error like any other.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def task(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Give the task of a key; `work` is called when there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            # The first callback: the key is free before any waiter hears of the outcome.
            task.add_done_callback(partial(self._forget, key))
        return task

    def _forget(self, key: str, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # Seen: nobody may be left to wait for it.

    async def aclose(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
