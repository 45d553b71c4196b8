"""Room for exchanges: bounded for one upstream and for all of them, and never all of it for files."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from mirror.upstream.slots import Slots


async def taken(slots: Slots, stack: AsyncExitStack, kind: str, wanted: int) -> int:
    """Take as many places of a kind as there are at once, up to a number, and tell how many there were."""
    for count in range(wanted):
        entering = asyncio.create_task(stack.enter_async_context(getattr(slots, kind)()))
        for _ in range(10):
            await asyncio.sleep(0)
        if not entering.done():
            entering.cancel()
            return count
        await entering
    return wanted


@pytest.mark.parametrize(
    ("connections", "files", "documents"), [(16, 12, 4), (4, 3, 1), (2, 1, 1), (1, 1, 0)]
)
async def test_files_leave_room(connections: int, files: int, documents: int) -> None:
    """Files take three quarters of the places at most, and pages find the rest."""
    slots = Slots(connections)
    async with AsyncExitStack() as stack:
        assert await taken(slots, stack, "file", 20) == files
        assert await taken(slots, stack, "document", 20) == documents
    async with AsyncExitStack() as stack:
        assert await taken(slots, stack, "document", 20) == connections


async def test_all_upstreams_share_what_there_is() -> None:
    """However much room each upstream has, together they take no more than there is for all, and files leave some of that too."""
    room = Slots(8)
    first, second = Slots(6, room), Slots(6, room)
    async with AsyncExitStack() as stack:
        assert await taken(first, stack, "file", 20) == 5
        assert await taken(second, stack, "file", 20) == 1
        assert await taken(second, stack, "document", 20) == 2
        assert await taken(first, stack, "document", 20) == 0
    async with AsyncExitStack() as stack:
        assert await taken(second, stack, "document", 20) == 6


async def test_who_gives_up_waiting_takes_no_place() -> None:
    """A place that somebody waited for in vain is there for the next one, at one upstream as for all of them."""
    room = Slots(1)
    slots = Slots(1, room)
    async with slots.document():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0), slots.document():
                    raise AssertionError("There was no place.")
    async with asyncio.timeout(10), slots.file(), AsyncExitStack() as stack:
        assert await taken(room, stack, "document", 1) == 0
