"""A local disk that is full, and a cache that lets go of what somebody reads: F38 and F44."""

import asyncio
from pathlib import Path

import pytest

from mirror.events import FlightEnded
from tests.disk import largest_file
from tests.faults.scene import KIB, WAYS, staged
from tests.simulator import faults
from tests.wheels import wheel

SMALL = wheel("demo", "1.0", size=20 * KIB)
LARGE = wheel("demo", "2.0", size=1000 * KIB)
OTHER = wheel("other", "1.0", size=1000 * KIB)
HUGE = wheel("huge", "1.0", size=24 * 1024 * KIB)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("takes", [0, 10 * KIB, 300 * KIB], ids=["F38-nothing", "F38-little", "F38-half"])
async def test_a_disk_that_is_full(tmp_path: Path, takes: int, way: str) -> None:
    """F38: what the disk does not take is served all the same and not kept, and when there is room it is kept again."""
    async with staged(tmp_path, **WAYS[way]) as scene:
        for built in (SMALL, LARGE):
            scene.publish(built)
        assert (await scene.page("demo")).status == 200
        await scene.quiet()
        assert (await scene.health()) == ("ready", [])
        with largest_file(takes):
            answers = await asyncio.gather(*(scene.get(LARGE) for _ in range(3)))
            small = await scene.get(SMALL)
            await scene.quiet()
            assert (await scene.health())[0] in {"ready", "degraded"}
        assert all(answer.body == LARGE.data for answer in answers)
        assert small.body == SMALL.data
        assert not scene.held(LARGE)
        assert scene.told(FlightEnded, outcome="failed") >= 1
        assert (await scene.get(LARGE)).body == LARGE.data
        await scene.quiet()
        assert scene.held(LARGE)


async def test_a_full_disk_proves_as_ever(tmp_path: Path) -> None:
    """F38: of a wrong file that the disk does not take nobody gets the last 64 KiB either."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.flip(500 * KIB), scene.blob(LARGE))
        with largest_file(300 * KIB):
            answer = await scene.get(LARGE)
            await scene.quiet()
        assert not answer.whole
        assert scene.told(FlightEnded, outcome="corrupt") == 1


async def test_a_file_that_is_evicted_while_it_is_read(tmp_path: Path) -> None:
    """F44: who reads a file that leaves the cache reads it to its end, and who asks next gets it again."""
    async with staged(tmp_path, cache_bytes=25 * 1024 * KIB) as scene:
        for built in (HUGE, LARGE, OTHER):
            scene.publish(built)
        assert (await scene.get(HUGE)).body == HUGE.data
        await scene.quiet()
        reading = await scene.begin(HUGE, slow=True)
        await reading.some(10)
        for built in (LARGE, OTHER):
            assert (await scene.get(built)).body == built.data
        await scene.landed()
        assert not scene.held(HUGE)
        assert (await reading.rest()).body == HUGE.data
        assert (await scene.get(HUGE)).body == HUGE.data
        assert len(scene.blobs(HUGE)) == 2


async def test_a_cache_that_is_always_too_small(tmp_path: Path) -> None:
    """F44: with room for one file alone whoever asks for several at once gets each, or a 503 that says why, and never a 404."""
    async with staged(tmp_path, cache_bytes=1100 * KIB) as scene:
        for built in (SMALL, LARGE, OTHER):
            scene.publish(built)
        for _ in range(3):
            wanted = [LARGE, OTHER, SMALL] * 5
            answers = await asyncio.gather(*(scene.get(built) for built in wanted))
            for built, answer in zip(wanted, answers, strict=True):
                assert answer.body == built.data or (answer.status == 503 and b"too small" in answer.body)
            await scene.quiet()
            assert (await scene.get(LARGE)).body == LARGE.data
