"""What every store must do: a class of tests that each store's own tests inherit.

`behaves_like_a_dictionary` is a property that each of them runs over sets of `KEYS`.
"""

import asyncio
from collections.abc import Set as AbstractSet

import pytest
from hypothesis import strategies as st

from mirror.errors import Conflict, FileNotFound, Invalid
from mirror.ports import Store

BAD_KEYS = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a/..",
    "a\\b",
    "a b",
    "a\n",
    "a\x00b",
    "ä",
    "a%2fb",
    "~a",
    "a:b",
    "s" * 256,
    "s/" * 600 + "s",
)
GOOD_KEYS = ("a", "a/b/c.json", "...", ".a", "a..b", "v1/x-1.0+local!2_3.whl", "S" * 255, "A/b")

KEYS = st.lists(
    st.text("ab.-+!_0", min_size=1, max_size=3).filter(lambda segment: segment not in {".", ".."}),
    min_size=1,
    max_size=3,
).map("/".join)


def without_folders(names: AbstractSet[str]) -> list[str]:
    """Leave out the keys that are the folder of another: a store need not hold both."""
    return [name for name in names if not any(other.startswith(f"{name}/") for other in names)]


async def listed(store: Store, prefix: str = "") -> list[str]:
    """List keys."""
    return [info.key async for info in store.list(prefix)]


async def opened(store: Store, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """Read an object, or a part of it, in pieces."""
    async with store.open(key, start=start, stop=stop) as reader:
        return b"".join([piece async for piece in reader.chunks()])


async def behaves_like_a_dictionary(store: Store, names: AbstractSet[str]) -> None:
    """Write objects of these names into an empty store, and compare what it lists with what a dictionary would."""
    model = {name: name.encode() for name in without_folders(names)}
    for name, data in model.items():
        await store.put(name, data)
    assert await listed(store) == sorted(model)
    for name in model:
        prefix = name[: len(name) // 2 + 1]
        assert await listed(store, prefix) == sorted(key for key in model if key.startswith(prefix))


class StoreCompliance:
    """The suite."""

    async def test_reads_what_was_written(self, store: Store) -> None:
        """An object comes back as it was written, whole, by every way to read it."""
        written = await store.put("a/b.json", b"bytes")
        assert await store.get("a/b.json") == (b"bytes", written)
        assert await store.stat("a/b.json") == written
        assert await opened(store, "a/b.json") == b"bytes"
        assert (written.key, written.size) == ("a/b.json", 5)
        assert written.modified > 0

    async def test_empty_object(self, store: Store) -> None:
        """An object without a byte is an object."""
        await store.put("empty", b"")
        assert (await store.get("empty"))[0] == b""
        assert await opened(store, "empty") == b""

    async def test_parts(self, store: Store) -> None:
        """Bytes [start, stop) are given, and what lies beyond the end is not there."""
        data = bytes(range(256)) * 4096
        await store.put("large", data)
        assert await opened(store, "large", 1_000, 700_001) == data[1_000:700_001]
        assert await opened(store, "large", 1_048_000) == data[1_048_000:]
        assert await opened(store, "large", 5, 5) == b""
        assert await opened(store, "large", 2_000_000) == b""
        assert await opened(store, "large", 1_048_575, 9_000_000) == data[-1:]

    async def test_a_reader_keeps_what_it_opened(self, store: Store) -> None:
        """An object that is replaced or removed while it is read is read to its end as it was."""
        old = b"old" * 400_000
        await store.put("k", old)
        async with store.open("k") as reader:
            await store.put("k", b"new")
            await store.delete("k")
            assert b"".join([piece async for piece in reader.chunks()]) == old
            assert reader.info.size == len(old)

    async def test_missing(self, store: Store) -> None:
        """What is not there is not found, also when a folder of that name is, or a file has the name of its folder."""
        await store.put("folder/file", b"")
        for key in ("nothing", "folder", "folder/file/below", "folder/other"):
            with pytest.raises(FileNotFound):
                await store.stat(key)
            with pytest.raises(FileNotFound):
                await store.get(key)
            with pytest.raises(FileNotFound):
                await opened(store, key)

    async def test_etag_follows_the_content(self, store: Store) -> None:
        """The ETag is another one when the content is, however fast, and the same when the content is the same."""
        tags = [(await store.put("k", data)).etag for data in (b"one", b"two", b"one")]
        assert tags[0] == tags[2] != tags[1]
        assert (await store.stat("k")).etag == tags[2]

    async def test_create_only(self, store: Store) -> None:
        """`if_absent` writes once, and the loser changes nothing."""
        await store.put("k", b"first", if_absent=True)
        with pytest.raises(Conflict):
            await store.put("k", b"second", if_absent=True)
        assert (await store.get("k"))[0] == b"first"

    async def test_compare_and_swap(self, store: Store) -> None:
        """`if_match` writes over the version that was read, and over no other or none."""
        first = await store.put("k", b"first")
        second = await store.put("k", b"second", if_match=first.etag)
        with pytest.raises(Conflict):
            await store.put("k", b"third", if_match=first.etag)
        assert await store.get("k") == (b"second", second)
        await store.delete("k")
        with pytest.raises(Conflict):
            await store.put("k", b"third", if_match=second.etag)
        assert await listed(store) == []

    async def test_one_of_many_creates(self, store: Store) -> None:
        """Of many who create one key at once, one does, and its bytes stay."""
        outcomes = await asyncio.gather(
            *(store.put("k", b"%d" % n, if_absent=True) for n in range(12)), return_exceptions=True
        )
        winners = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
        assert len(winners) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 11
        assert (await store.get("k"))[0] == b"%d" % winners[0]

    async def test_no_update_is_lost(self, store: Store) -> None:
        """Many who add to one object by compare-and-swap all succeed, and nothing that one added is lost."""
        await store.put("k", b"")

        async def add(letter: bytes) -> None:
            for _ in range(200):
                data, info = await store.get("k")
                try:
                    await store.put("k", data + letter, if_match=info.etag)
                except Conflict:
                    continue
                return
            raise AssertionError("never won")

        await asyncio.gather(*(add(letter.encode()) for letter in "abcdefgh"))
        assert sorted((await store.get("k"))[0].decode()) == list("abcdefgh")

    async def test_lists_by_prefix_in_order(self, store: Store) -> None:
        """A list has the keys that begin with the prefix, sorted, and a neighbour's name is not a prefix's folder."""
        names = [
            "one/two",
            "one/two-other/x",
            "one/two+/x",
            "one/tw",
            "onetwo",
            "a/b/c",
            "a/b-c",
            "a/b.c/d",
            "b",
        ]
        for name in names:
            await store.put(name, name.encode())
        assert await listed(store) == sorted(names)
        assert await listed(store, "one/two") == sorted(["one/two", "one/two-other/x", "one/two+/x"])
        assert await listed(store, "one/two-other/") == ["one/two-other/x"]
        assert await listed(store, "one") == sorted(name for name in names if name.startswith("one"))
        assert await listed(store, "nothing/here") == []
        infos = [info async for info in store.list("a/")]
        assert infos == [await store.stat(info.key) for info in infos]

    async def test_delete(self, store: Store) -> None:
        """A removed object is gone, and removing it again is done already."""
        await store.put("a/b", b"x")
        await store.delete("a/b")
        await store.delete("a/b")
        await store.delete("never/was")
        assert await listed(store) == []
        await store.put("a/b", b"y", if_absent=True)
        assert (await store.get("a/b"))[0] == b"y"

    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_refuses_what_is_no_key(self, store: Store, key: str) -> None:
        """What breaks the grammar of keys is refused by every method, above all what would leave the store."""
        with pytest.raises(Invalid):
            await store.put(key, b"x")
        with pytest.raises(Invalid):
            await store.get(key)
        with pytest.raises(Invalid):
            await store.stat(key)
        with pytest.raises(Invalid):
            await opened(store, key)
        with pytest.raises(Invalid):
            await store.delete(key)
        assert await listed(store) == []

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../", "a//", "a b", "ä"])
    async def test_refuses_what_is_no_prefix(self, store: Store, prefix: str) -> None:
        """A list of what no key begins with is refused."""
        with pytest.raises(Invalid):
            await listed(store, prefix)

    @pytest.mark.parametrize("key", GOOD_KEYS)
    async def test_takes_what_is_a_key(self, store: Store, key: str) -> None:
        """Every key of the grammar holds an object and is listed."""
        await store.put(key, key.encode())
        assert (await store.get(key))[0] == key.encode()
        assert await listed(store) == [key]

    async def test_check_leaves_nothing(self, store: Store) -> None:
        """A store that works passes its check, and nothing of the check stays."""
        await store.check()
        assert await listed(store) == []
