"""The store in a directory."""

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import Conflict, FileNotFound, StoreError
from mirror.ports import Store
from mirror.stores import tree
from mirror.stores.disk import PIECE_BYTES, DiskStore
from tests.compliance.store import KEYS, StoreCompliance, behaves_like_a_dictionary, listed, opened


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the root of `store`."""
    return tmp_path / "data" / "store"


@pytest.fixture
def store(root: Path) -> Store:
    """Give an empty store in a directory."""
    return DiskStore(root)


def open_files() -> int:
    """Count the open descriptors of this process."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


class TestDiskStore(StoreCompliance):
    """It passes the suite."""


@settings(max_examples=25)
@given(names=st.sets(KEYS, max_size=6))
async def test_like_a_dictionary(names: set[str]) -> None:
    """Any keys are held, listed in order and found by any beginning, as a dictionary would."""
    with TemporaryDirectory() as folder:
        await behaves_like_a_dictionary(DiskStore(Path(folder) / "new"), names)


async def test_survives_a_restart(root: Path) -> None:
    """Another store on the same directory has the same objects with the same ETags."""
    written = await DiskStore(root).put("a/b", b"x")
    assert await DiskStore(root).get("a/b") == (b"x", written)


async def test_etag_sees_a_change_from_outside(store: Store, root: Path) -> None:
    """An object that another program changed has another ETag, also when its size is the same."""
    before = await store.put("a", b"one")
    file = root / "objects" / "a"
    file.write_bytes(b"two")
    assert (await store.stat("a")).etag != before.etag


@pytest.mark.parametrize(("racy_nanoseconds", "remembered"), [(-1, 1), (3600 * 10**9, 0)])
async def test_remembers_digests_of_settled_files_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, racy_nanoseconds: int, remembered: int
) -> None:
    """The digest of a file is remembered, unless the file is so young that a change might bear the same time."""
    monkeypatch.setattr(tree, "RACY_NANOSECONDS", racy_nanoseconds)
    files = tree.Tree(root)
    await asyncio.to_thread(files.write, "a", b"one", None, if_absent=False)
    first = await asyncio.to_thread(files.describe, "a")
    assert len(files._digests) == remembered
    assert await asyncio.to_thread(files.describe, "a") == first
    await asyncio.to_thread(files.write, "a", b"two", None, if_absent=False)
    assert (await asyncio.to_thread(files.describe, "a")).etag != first.etag


async def test_leftovers_are_never_listed_and_swept(root: Path) -> None:
    """What a crash left half written is no object and is removed at the next start, but not what a living writer has."""
    await DiskStore(root).put("a", b"x")
    lost, busy = root / "temporary" / "0a", root / "temporary" / "0b"
    for left in (lost, busy):
        left.write_bytes(b"half")
    with (root / "locks" / "0b").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = DiskStore(root)
        assert await listed(store) == ["a"]
        assert not lost.exists()
        assert busy.exists()


async def test_a_leftover_is_written_over(root: Path) -> None:
    """A write is whole although a writer that was killed has left more bytes in its place."""
    store = DiskStore(root)
    await store.put("a", b"x")
    for group in range(256):
        (root / "temporary" / f"{group:02x}").write_bytes(b"a long half of another object")
    await store.put("a", b"short")
    assert (await store.get("a"))[0] == b"short"


async def test_foreign_files_are_not_objects(store: Store, root: Path) -> None:
    """A file whose name is no key, put there by something else, is not listed."""
    await store.put("a", b"x")
    (root / "objects" / "a b~").write_bytes(b"x")
    assert await listed(store) == ["a"]


async def test_a_write_leaves_no_temporary_file(store: Store, root: Path) -> None:
    """Neither a write that succeeds nor one that loses leaves a temporary file."""
    await store.put("a", b"x")
    with pytest.raises(Conflict):
        await store.put("a", b"y", if_absent=True)
    assert list((root / "temporary").iterdir()) == []


async def test_a_failed_write_keeps_the_old_bytes(store: Store, root: Path) -> None:
    """A write that the disk refuses is a `StoreError` that names the key, and changes nothing."""
    await store.put("a", b"old")
    (root / "temporary").rmdir()
    (root / "temporary").write_bytes(b"in the way")
    with pytest.raises(StoreError, match=r"write a: Not a directory") as failed:
        await store.put("a", b"new")
    assert str(root) not in str(failed.value)
    assert (await store.get("a"))[0] == b"old"


async def test_a_key_that_is_a_folder_cannot_be_written(store: Store, root: Path) -> None:
    """A key that is the folder of another cannot be held beside it on a disk: a failure that leaves nothing behind."""
    await store.put("a/b", b"x")
    with pytest.raises(StoreError):
        await store.put("a", b"y")
    with pytest.raises(StoreError):
        await store.put("a/b/c", b"y")
    assert await listed(store) == ["a/b"]
    assert list((root / "temporary").iterdir()) == []


async def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    """A root that cannot be made fails every method, and nothing reads as not found."""
    (tmp_path / "file").write_bytes(b"")
    store = DiskStore(tmp_path / "file" / "store")
    with pytest.raises(StoreError):
        await store.get("a")
    with pytest.raises(StoreError):
        await store.check()
    with pytest.raises(StoreError):
        await listed(store)


async def test_a_disk_that_went_away_is_no_miss(store: Store, root: Path) -> None:
    """When the folder of the store is gone, to ask for an object is a failure and not "not found"."""
    await store.put("a", b"x")
    await asyncio.to_thread(root.rename, root.with_name("elsewhere"))
    with pytest.raises(StoreError):
        await store.get("a")
    with pytest.raises(StoreError):
        await store.stat("a")
    with pytest.raises(StoreError):
        await listed(store, "a")


async def test_reads_in_pieces(store: Store) -> None:
    """A large object comes in pieces of bounded size."""
    data = os.urandom(PIECE_BYTES * 3 + 17)
    await store.put("large", data)
    async with store.open("large") as reader:
        pieces = [piece async for piece in reader.chunks()]
    assert [len(piece) for piece in pieces] == [PIECE_BYTES] * 3 + [17]
    assert b"".join(pieces) == data


async def test_a_file_that_shrinks_under_a_reader(store: Store, root: Path) -> None:
    """An object that is cut off by something else while it is read is a failure, never a short read."""
    await store.put("large", b"x" * PIECE_BYTES * 2)
    async with store.open("large") as reader:
        os.truncate(root / "objects" / "large", PIECE_BYTES)
        with pytest.raises(StoreError):
            async for _ in reader.chunks():
                pass


async def test_cancelled_readers_leave_nothing_open(store: Store) -> None:
    """A reader who is cancelled while an object is opened or read leaves no open file behind."""
    await store.put("large", b"x" * PIECE_BYTES * 8)
    before = open_files()
    for turns in range(12):
        reading = asyncio.create_task(opened(store, "large"))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    # What the cancelled ones left to threads, opening and closing, ends first.
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*left)
    assert open_files() <= before


_ADDER = """
import asyncio, sys
from pathlib import Path
from mirror.errors import Conflict
from mirror.stores.disk import DiskStore

async def main():
    store = DiskStore(Path(sys.argv[1]))
    for _ in range(20):
        for _ in range(10_000):
            data, info = await store.get("n")
            try:
                await store.put("n", b"%d" % (int(data) + 1), if_match=info.etag)
            except Conflict:
                continue
            break

asyncio.run(main())
"""


async def test_compare_and_swap_between_processes(store: Store, root: Path) -> None:
    """Processes that count in one object by compare-and-swap lose no count."""
    await store.put("n", b"0")
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _ADDER, str(root)) for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert (await store.get("n"))[0] == b"60"


async def test_not_found_names_the_key(store: Store) -> None:
    """The sentence of a miss names the key."""
    with pytest.raises(FileNotFound, match="a/b"):
        await store.get("a/b")
