"""The local cache: what is given is what its name says, through crashes, damage, full disks and other processes."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from mirror.cache import DiskCache, memory
from mirror.errors import Invalid, StoreError
from mirror.model import HeldFile
from mirror.names import Sha256

MIB = 1024 * 1024


def digest(data: bytes) -> Sha256:
    """Give the SHA-256 of some bytes."""
    return Sha256(hashlib.sha256(data).hexdigest())


@asynccontextmanager
async def opened(root: Path, *, max_bytes: int = 100 * MIB, now: float = 1000.5) -> AsyncIterator[DiskCache]:
    """Open a cache and close it in the end."""
    cache = await DiskCache.open(root, max_bytes=max_bytes, clock=lambda: now)
    try:
        yield cache
    finally:
        await cache.aclose()


async def keep(cache: DiskCache, data: bytes) -> HeldFile:
    """Commit some bytes as a download would."""
    spooled = cache.spool()
    spooled.write_bytes(data)
    return await cache.commit(spooled, digest(data), len(data))


async def crash(cache: DiskCache) -> None:
    """End a cache as a killed process does: its lock is gone, nothing else is."""
    os.close(cache._session._lock)


def files(folder: Path) -> set[str]:
    """Name all files under a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_a_committed_file_is_found_under_its_digest(tmp_path: Path) -> None:
    """A commit puts the file where the layout says, and finding gives its bytes, size and the time of the commit."""
    async with opened(tmp_path) as cache:
        held = await keep(cache, b"wheel")
        hexadecimal = digest(b"wheel")
        assert held.path == tmp_path / "files-v1" / "sha256" / hexadecimal[:2] / hexadecimal
        assert held.path.read_bytes() == b"wheel"
        assert (held.size, held.modified) == (5, 1000.0)
        assert await cache.find(hexadecimal) == held
        assert await cache.find(digest(b"other")) is None


async def test_committing_twice_is_done_already(tmp_path: Path) -> None:
    """The second commit of the same bytes changes nothing and leaves nothing in the spool."""
    async with opened(tmp_path) as cache:
        first = await keep(cache, b"wheel")
        inode = first.path.stat().st_ino
        assert await keep(cache, b"wheel") == first
        assert first.path.stat().st_ino == inode
        assert cache.total_bytes == 5
        assert files(cache.spool().parent) == {"in-use"}


async def test_files_and_metadata_are_found_after_a_restart(tmp_path: Path) -> None:
    """What was committed is there for the next process, in the same place and counted."""
    async with opened(tmp_path) as cache:
        held = await keep(cache, b"wheel")
        metadata = await cache.keep_metadata(b"Name: demo")
    async with opened(tmp_path) as cache:
        assert await cache.find(held.sha256) == held
        assert await cache.read_metadata(metadata) == b"Name: demo"
        assert cache.total_bytes == len(b"wheel") + len(b"Name: demo")


async def test_a_clean_end_leaves_only_the_two_trees(tmp_path: Path) -> None:
    """Closing removes the spool's leftovers and the session, so that the next start trusts what it finds."""
    async with opened(tmp_path) as cache:
        await keep(cache, b"wheel")
        cache.spool().write_bytes(b"half a file")
    left = files(tmp_path)
    assert {name for name in left if not name.startswith("files-v1/")} == {"lock"}


async def test_a_commit_that_is_cancelled_ends_before_the_cache(tmp_path: Path) -> None:
    """A task that is cancelled while it commits goes when that is done, so that nothing is written to a cache that was closed."""
    async with opened(tmp_path) as cache:
        spooled = cache.spool()
        spooled.write_bytes(b"wheel")
        commits = [
            asyncio.create_task(cache.commit(spooled, digest(b"wheel"), 5)),
            asyncio.create_task(cache.keep_metadata(b"Name: demo")),
        ]
        await asyncio.sleep(0)
        for commit in commits:
            commit.cancel()
        ends = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
        held = {digest(b"wheel"), digest(b"Name: demo")}
        assert {Path(name).name for name in files(tmp_path)} == held | {"in-use", "lock"}


async def test_a_crash_leaves_nothing_in_the_spool(tmp_path: Path) -> None:
    """What a killed process was downloading is gone after the next start."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    cache.spool().write_bytes(b"half a file")
    await crash(cache)
    async with opened(tmp_path) as after:
        assert files(tmp_path / "spool") == {f"{after.spool().parent.name}/in-use"}


async def test_another_process_keeps_its_spool(tmp_path: Path) -> None:
    """A start removes nothing of a process that lives, and each finds what the other has committed."""
    async with opened(tmp_path) as first:
        mine = first.spool()
        mine.write_bytes(b"under way")
        async with opened(tmp_path) as second:
            held = await keep(second, b"wheel")
            assert mine.read_bytes() == b"under way"
            assert await first.find(held.sha256) == held
        assert mine.read_bytes() == b"under way"


async def test_damage_is_found_after_a_crash(tmp_path: Path) -> None:
    """After an unclean end a file whose bytes have changed is a miss and is removed; an intact one is served."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    good, bad = await keep(cache, b"good"), await keep(cache, b"bad!")
    await crash(cache)
    bad.path.write_bytes(b"bad?")
    async with opened(tmp_path) as after:
        assert await after.find(bad.sha256) is None
        assert not bad.path.exists()
        found = await after.find(good.sha256)
        assert found is not None
        assert found.path.read_bytes() == b"good"


async def test_doubts_survive_a_restart(tmp_path: Path) -> None:
    """A file that was not asked for between a crash and the next clean end is still hashed before it is served."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    good, bad = await keep(cache, b"good"), await keep(cache, b"bad!")
    await crash(cache)
    bad.path.write_bytes(b"bad?")
    async with opened(tmp_path) as after:
        assert await after.find(good.sha256) is not None
    assert (tmp_path / "doubtful").read_text() == f"{bad.sha256}\n"
    async with opened(tmp_path) as later:
        assert await later.find(bad.sha256) is None
    assert not (tmp_path / "doubtful").exists()


async def test_ending_well_leaves_the_doubts_of_others(tmp_path: Path) -> None:
    """What one process doubts is still doubted by the next one, although another that knew no doubt has ended in between."""
    bystander = await DiskCache.open(tmp_path, max_bytes=MIB)
    killed = await DiskCache.open(tmp_path, max_bytes=MIB)
    held = await keep(killed, b"wheel")
    await crash(killed)
    held.path.write_bytes(b"whee1")
    async with opened(tmp_path):
        pass
    await bystander.aclose()
    async with opened(tmp_path) as cache:
        assert await cache.find(held.sha256) is None


async def test_a_doubt_that_was_resolved_is_not_written_down(tmp_path: Path) -> None:
    """A file that was hashed since the crash, or has gone, is trusted by the next process."""
    killed = await DiskCache.open(tmp_path, max_bytes=MIB)
    held, gone = await keep(killed, b"wheel"), await keep(killed, b"gone")
    await crash(killed)
    async with opened(tmp_path) as cache:
        assert await cache.find(held.sha256) == held
        gone.path.unlink()
    assert files(tmp_path) == {"lock", str(held.path.relative_to(tmp_path))}


async def test_a_doubtful_file_is_hashed_once_however_many_ask(tmp_path: Path) -> None:
    """Many who ask at once for a damaged file after a crash are all told that it is not there."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    held = await keep(cache, b"wheel")
    await crash(cache)
    held.path.write_bytes(b"WHEEL")
    async with opened(tmp_path) as after:
        found = await asyncio.gather(*(after.find(held.sha256) for _ in range(50)))
    assert found == [None] * 50


async def test_a_commit_replaces_a_doubtful_file(tmp_path: Path) -> None:
    """A file that was just proved takes the place of one that may be damaged, and is not doubtful any more."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    held = await keep(cache, b"wheel")
    await crash(cache)
    held.path.write_bytes(b"WHEEL")
    async with opened(tmp_path) as after:
        assert (await keep(after, b"wheel")).path.read_bytes() == b"wheel"
        assert await after.find(held.sha256) is not None


async def test_a_file_that_was_cut_is_not_served(tmp_path: Path) -> None:
    """A file that became shorter under the running process is a miss, without any crash."""
    async with opened(tmp_path) as cache:
        held = await keep(cache, b"wheel")
        held.path.write_bytes(b"whe")
        assert await cache.find(held.sha256) is None
        assert not held.path.exists()


async def test_a_file_of_another_size_than_expected_is_not_served(tmp_path: Path) -> None:
    """A file that was cut between two clean runs is seen by who knows its size; a wrong expectation removes nothing."""
    async with opened(tmp_path) as cache:
        cut, whole = await keep(cache, b"wheel"), await keep(cache, b"other wheel")
    cut.path.write_bytes(b"whe")
    async with opened(tmp_path) as cache:
        assert await cache.find(cut.sha256, 5) is None
        for _ in range(2):
            assert await cache.find(whole.sha256, 12345) == whole


async def test_damaged_metadata_is_a_miss(tmp_path: Path) -> None:
    """Metadata is hashed whenever it is read; what is not what its name says is removed and can be kept again."""
    async with opened(tmp_path) as cache:
        key = await cache.keep_metadata(b"Name: demo")
        (tmp_path / "metadata-v1" / "sha256" / key[:2] / key).write_bytes(b"Name: evil")
        assert await cache.read_metadata(key) is None
        assert await cache.keep_metadata(b"Name: demo") == key
        assert await cache.read_metadata(key) == b"Name: demo"


async def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    """Beyond `max_bytes` the files that were not used for longest are removed, and no more of them than needed."""
    async with opened(tmp_path, max_bytes=30) as cache:
        first, second, third = [await keep(cache, bytes([n]) * 10) for n in range(3)]
        assert await cache.find(first.sha256) is not None
        await keep(cache, b"d" * 10)
        assert await cache.find(second.sha256) is None
        assert await cache.find(first.sha256) is not None
        assert await cache.find(third.sha256) is not None
        assert cache.total_bytes == 30


async def test_a_smaller_bound_holds_from_the_start(tmp_path: Path) -> None:
    """A cache that is opened with less room than its files take removes the least recently used at once."""
    async with opened(tmp_path, now=1000) as cache:
        await keep(cache, b"a" * 100)
    async with opened(tmp_path, now=2000) as cache:
        newer = await keep(cache, b"b" * 100)
    async with opened(tmp_path, max_bytes=150) as cache:
        assert cache.total_bytes == 100
        assert await cache.find(newer.sha256) == newer
        assert await cache.find(digest(b"a" * 100)) is None


@pytest.mark.parametrize("contents", [(b"a" * 10, b"b" * 10), (b"b" * 10, b"a" * 10)])
async def test_the_order_of_use_survives_a_restart(tmp_path: Path, contents: tuple[bytes, bytes]) -> None:
    """A file that was used lately stays after a restart; one that was not goes, whichever of them has the smaller name."""
    async with opened(tmp_path, now=1000) as cache:
        first, second = [await keep(cache, data) for data in contents]
    async with opened(tmp_path, now=9000) as cache:
        found = await cache.find(first.sha256)
        assert found is not None
        assert found.modified == 1000
    async with opened(tmp_path, max_bytes=20, now=9001) as cache:
        await keep(cache, b"c" * 10)
        assert await cache.find(second.sha256) is None
        assert await cache.find(first.sha256) is not None


async def test_the_newest_stays_although_it_is_too_large(tmp_path: Path) -> None:
    """A file larger than the whole cache is kept until the next commit, since somebody waits for it."""
    async with opened(tmp_path, max_bytes=20) as cache:
        small, large = await keep(cache, b"a" * 10), await keep(cache, b"b" * 50)
        assert await cache.find(small.sha256) is None
        assert await cache.find(large.sha256) is not None
        await keep(cache, b"c" * 10)
        assert await cache.find(large.sha256) is None


async def test_a_reader_outlives_the_removal(tmp_path: Path) -> None:
    """A file that is open when it is removed can be read to its end."""
    async with opened(tmp_path, max_bytes=20) as cache:
        held = await keep(cache, b"a" * 15)
        with held.path.open("rb") as file:
            await keep(cache, b"b" * 15)
            assert not held.path.exists()
            assert file.read() == b"a" * 15


async def test_a_short_spool_is_not_committed(tmp_path: Path) -> None:
    """A spooled file that is not as long as what was written to it is an error of the disk, and is not kept."""
    async with opened(tmp_path) as cache:
        spooled = cache.spool()
        spooled.write_bytes(b"whee")
        with pytest.raises(StoreError):
            await cache.commit(spooled, digest(b"wheel"), 5)
        assert await cache.find(digest(b"wheel")) is None


async def test_a_disk_that_fails_is_no_miss(tmp_path: Path) -> None:
    """A path that cannot be read is an error, since it says nothing about whether the file is there."""
    async with opened(tmp_path) as cache:
        key = digest(b"wheel")
        (tmp_path / "files-v1").mkdir()
        (tmp_path / "files-v1" / "sha256").write_bytes(b"not a folder")
        with pytest.raises(StoreError) as failure:
            await cache.find(key)
        assert str(tmp_path) not in str(failure.value)


async def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """Opening a cache where there is a file is one plain error."""
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(StoreError):
        await DiskCache.open(tmp_path / "cache", max_bytes=1)


async def test_a_digest_is_no_path(tmp_path: Path) -> None:
    """What is not a digest is refused before a path is made of it."""
    async with opened(tmp_path) as cache:
        with pytest.raises(Invalid):
            await cache.find(Sha256("../../../etc/passwd"))


KILLED = """
import asyncio, hashlib, os, signal, sys
from pathlib import Path
from mirror.cache import DiskCache

step, left = sys.argv[2], int(sys.argv[3])

def tracer(event, args):
    global left
    if event == step:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    cache = await DiskCache.open(Path(sys.argv[1]), max_bytes=10_000_000)
    sys.addaudithook(tracer)
    for data in (b"a" * 5000, b"b" * 5000):
        spooled = cache.spool()
        spooled.write_bytes(data)
        await cache.commit(spooled, hashlib.sha256(data).hexdigest(), len(data))
    await cache.aclose()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("step", "count"),
    [
        ("open", 1),
        ("open", 3),
        ("os.mkdir", 1),
        ("os.utime", 1),
        ("os.rename", 1),
        ("os.rename", 2),
        ("shutil.rmtree", 1),
    ],
)
async def test_killed_anywhere_nothing_wrong_is_served(tmp_path: Path, step: str, count: int) -> None:
    """A process that is killed at any step of a commit or of the close leaves no temporary file and no wrong one."""
    command = [sys.executable, "-c", KILLED, str(tmp_path), step, str(count)]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    assert await process.wait() == -9
    async with opened(tmp_path) as cache:
        assert files(tmp_path / "spool") == {f"{cache.spool().parent.name}/in-use"}
        for path in (tmp_path / "files-v1").rglob("*"):
            assert path.is_dir() or digest(path.read_bytes()) == path.name
        for data in (b"a" * 5000, b"b" * 5000):
            held = await keep(cache, data)
            assert held.path.read_bytes() == data


@asynccontextmanager
async def remembering(root: Path, times: list[float], *, memory_bytes: int = MIB) -> AsyncIterator[DiskCache]:
    """Open a cache that holds small files in memory too, at the last of some times."""
    cache = await DiskCache.open(
        root, max_bytes=100 * MIB, memory_bytes=memory_bytes, clock=lambda: times[-1]
    )
    try:
        yield cache
    finally:
        await cache.aclose()


async def found(cache: DiskCache, held: HeldFile) -> HeldFile:
    """Find a file that is there."""
    file = await cache.find(held.sha256)
    assert file is not None
    return file


async def test_a_small_file_comes_with_its_bytes(tmp_path: Path) -> None:
    """A file up to the bound is read with the look-up, a larger one is not, and both are the committed file."""
    async with remembering(tmp_path, [1000.5]) as cache:
        small, large = await keep(cache, b"wheel"), await keep(cache, bytes(memory.SMALL_BYTES + 1))
        assert (await found(cache, small)).body == b"wheel"
        assert (await found(cache, large)).body is None
        assert msgspec.structs.replace(await found(cache, small), body=None) == small


async def test_memory_asks_the_disk_again_each_minute(tmp_path: Path) -> None:
    """A file that left the disk is given for a minute at most, with the bytes that it had."""
    times = [1000.5]
    async with remembering(tmp_path, times) as cache:
        held = await keep(cache, b"wheel")
        metadata = await cache.keep_metadata(b"Name: demo")
        await cache.find(held.sha256)
        await cache.read_metadata(metadata)
        for path in (tmp_path / "files-v1", tmp_path / "metadata-v1"):
            await asyncio.to_thread(shutil.rmtree, path)
        times.append(1000.5 + memory.LOOK_AGAIN_SECONDS - 1)
        assert (await found(cache, held)).body == b"wheel"
        assert await cache.read_metadata(metadata) == b"Name: demo"
        times.append(1000.5 + memory.LOOK_AGAIN_SECONDS)
        assert await cache.find(held.sha256) is None
        assert await cache.read_metadata(metadata) is None
        times.append(1000.5)
        assert await cache.find(held.sha256) is None


@pytest.mark.parametrize("damaged", [b"whee!", b"wheel and more", b""])
async def test_damage_does_not_get_into_memory(tmp_path: Path, damaged: bytes) -> None:
    """A small file is hashed when it is read, whether it was in doubt or not, and a damaged one is removed."""
    async with remembering(tmp_path, [1000.5]) as cache:
        held = await keep(cache, b"wheel")
        held.path.write_bytes(damaged)
        assert await cache.find(held.sha256) is None
        assert not held.path.exists()


async def test_reading_a_small_file_settles_its_doubt(tmp_path: Path) -> None:
    """What was hashed on its way into memory after a crash is not in doubt any more."""
    cache = await DiskCache.open(tmp_path, max_bytes=MIB)
    held = await keep(cache, b"wheel")
    await crash(cache)
    async with remembering(tmp_path, [1000.5]) as after:
        assert (await found(after, held)).body == b"wheel"
    assert "doubtful" not in files(tmp_path)


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """Files in memory stay within their bound, and what does not fit at all is given from the disk."""
    async with remembering(tmp_path, [1000.5], memory_bytes=10_000) as cache:
        kept = [await keep(cache, bytes([number]) * 2000) for number in range(20)]
        for held in kept:
            assert (await found(cache, held)).body is not None
        assert cache._memory._files.currsize <= 10_000
        assert (await found(cache, await keep(cache, bytes(10_000)))).body is None
