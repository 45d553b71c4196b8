"""Work that many ask for at once is done once."""

import asyncio

from mirror.errors import StoreError
from mirror.once import Once


async def test_once_joins_and_survives_its_waiters() -> None:
    """Work under one key runs once; a cancelled waiter stops nothing; an error reaches all; then it may run again."""
    once: Once[int] = Once()
    runs: list[int] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        runs.append(1)
        begun.set()
        await gate.wait()
        if len(runs) == 1:
            raise StoreError("first")
        return 7

    waiters = [asyncio.create_task(once.run("key", work)) for _ in range(3)]
    await begun.wait()
    assert "key" in once
    waiters[0].cancel()
    gate.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError, StoreError, StoreError]
    assert await once.run("key", work) == 7
    assert len(runs) == 2
    assert "key" not in once
