"""What was learned, kept in the store."""

import asyncio

import msgspec
import pytest

from mirror import layout
from mirror.errors import StoreError
from mirror.ledger import ATTEMPTS, HELD_FACTS, StoreLedger
from mirror.model import Learned
from mirror.names import ProjectName, Sha256
from mirror.ports import BlobInfo
from mirror.stores.memory import MemoryStore
from tests.clock import Clock

NAME = ProjectName("six")
KEY = layout.learned("feed", layout.LOCAL, NAME)


def facts(number: int = 0) -> Learned:
    """Make facts that differ by their number."""
    return Learned(sha256=Sha256(f"{number:064x}"), size=number)


class CountingStore(MemoryStore):
    """A store that counts, fails, and lets another writer in before a write."""

    def __init__(self) -> None:
        super().__init__()
        self.gets = 0
        self.puts = 0
        self.failure: StoreError | None = None
        self.intrusions = 0

    async def get(self, key: str) -> tuple[bytes, BlobInfo]:
        """Read."""
        self.gets += 1
        if self.failure is not None:
            raise self.failure
        return await super().get(key)

    async def stat(self, key: str) -> BlobInfo:
        """Describe."""
        if self.failure is not None:
            raise self.failure
        return await super().stat(key)

    async def put(
        self, key: str, data: bytes, *, if_match: str | None = None, if_absent: bool = False
    ) -> BlobInfo:
        """Write, after an intruder has."""
        self.puts += 1
        if self.failure is not None:
            raise self.failure
        if self.intrusions:
            self.intrusions -= 1
            await super().put(key, msgspec.json.encode({f"intruder-{self.puts}.whl": facts(self.puts)}))
        return await super().put(key, data, if_match=if_match, if_absent=if_absent)


async def test_survives_a_restart() -> None:
    """What was learned is known to another ledger on the same store."""
    store = MemoryStore()
    await StoreLedger(store).learn("feed", NAME, "six.whl", facts(1))
    await StoreLedger(store).learn("feed", NAME, "six.tar.gz", facts(2))
    expected = {"six.whl": facts(1), "six.tar.gz": facts(2)}
    assert await StoreLedger(store).learned("feed", NAME) == expected
    assert await StoreLedger(store).learned("other", NAME) == {}
    assert await StoreLedger(store).learned("feed", ProjectName("seven")) == {}


async def test_the_same_object_until_something_is_added() -> None:
    """The dictionary is the same object, read once, until something new is learned; then it is another one."""
    store = CountingStore()
    ledger = StoreLedger(store)
    nothing = await ledger.learned("feed", NAME)
    assert await ledger.learned("feed", NAME) is nothing
    await ledger.learn("feed", NAME, "six.whl", facts(1))
    first = await ledger.learned("feed", NAME)
    assert first is not nothing
    assert nothing == {}
    await ledger.learn("feed", NAME, "six.whl", facts(1))
    assert await ledger.learned("feed", NAME) is first
    assert (store.gets, store.puts) == (1, 1)
    await ledger.learn("feed", NAME, "six.whl", facts(2), replace=True)
    assert await ledger.learned("feed", NAME) == {"six.whl": facts(2)}


async def test_many_learn_at_once() -> None:
    """Nothing is lost when many files of a project are learned at once, by two ledgers as two processes have them."""
    store = MemoryStore()
    ledgers = [StoreLedger(store), StoreLedger(store)]
    await asyncio.gather(*(ledgers[n % 2].learn("feed", NAME, f"{n}.whl", facts(n)) for n in range(20)))
    assert await StoreLedger(store).learned("feed", NAME) == {f"{n}.whl": facts(n) for n in range(20)}


async def test_one_read_however_many_ask() -> None:
    """A document that is not in memory is read once, however many ask at once."""
    store = CountingStore()
    ledger = StoreLedger(store)
    found = await asyncio.gather(*(ledger.learned("feed", NAME) for _ in range(20)))
    assert store.gets == 1
    assert all(each is found[0] for each in found)


async def test_what_another_writer_added_is_kept() -> None:
    """A write that loses to another process reads anew and adds to what that one wrote."""
    store = CountingStore()
    ledger = StoreLedger(store)
    await ledger.learned("feed", NAME)
    store.intrusions = 1
    await ledger.learn("feed", NAME, "six.whl", facts(1))
    known = await ledger.learned("feed", NAME)
    assert known["six.whl"] == facts(1)
    assert len(known) == 2
    assert await StoreLedger(store).learned("feed", NAME) == known


async def test_gives_up_when_it_always_loses() -> None:
    """A document that others change at each attempt is a failure of the store after a bounded number of attempts."""
    store = CountingStore()
    ledger = StoreLedger(store)
    store.intrusions = 10 * ATTEMPTS
    with pytest.raises(StoreError, match=r"six\.whl"):
        await ledger.learn("feed", NAME, "six.whl", facts(1))
    assert store.puts == ATTEMPTS
    assert "six.whl" not in await StoreLedger(store).learned("feed", NAME)


async def test_a_failing_store_is_a_failure_and_not_remembered() -> None:
    """A store that fails fails the ledger, both ways, and it works again when the store does."""
    store = CountingStore()
    ledger = StoreLedger(store)
    store.failure = StoreError("down")
    with pytest.raises(StoreError):
        await ledger.learned("feed", NAME)
    with pytest.raises(StoreError):
        await ledger.learn("feed", NAME, "six.whl", facts(1))
    store.failure = None
    assert await ledger.learned("feed", NAME) == {}
    store.failure = StoreError("down")
    with pytest.raises(StoreError):
        await ledger.learn("feed", NAME, "six.whl", facts(1))
    assert await ledger.learned("feed", NAME) == {}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"six.whl": {}}', b'{"six.whl": {"sha256": "\xff"}}'])
async def test_a_damaged_document_is_a_failure(damage: bytes) -> None:
    """A document that cannot be read is never "nothing learned", since it pins what files were when first seen."""
    store = MemoryStore()
    await store.put(KEY, damage)
    with pytest.raises(StoreError, match=KEY):
        await StoreLedger(store).learned("feed", NAME)


async def test_a_feed_elsewhere_is_another_source() -> None:
    """What one feed taught is not believed of another URL under the same name."""
    store = MemoryStore()
    await StoreLedger(store, {"feed": "https://one.invalid/simple/"}).learn("feed", NAME, "six.whl", facts(1))
    assert await StoreLedger(store, {"feed": "https://two.invalid/simple/"}).learned("feed", NAME) == {}
    assert await StoreLedger(store, {"feed": "https://one.invalid/simple"}).learned("feed", NAME) != {}


async def test_large_documents() -> None:
    """A project of 10,000 files is kept and read like a small one."""
    store = MemoryStore()
    ledger = StoreLedger(store)
    whole = {f"{n}.whl": facts(n) for n in range(10_000)}
    await ledger.learn("feed", NAME, "0.whl", facts(0))
    await store.put(KEY, msgspec.json.encode(whole))
    again = StoreLedger(store)
    assert await again.learned("feed", NAME) == whole
    await again.learn("feed", NAME, "more.whl", facts(1))
    assert len(await StoreLedger(store).learned("feed", NAME)) == 10_001


async def test_memory_is_bounded() -> None:
    """Documents beyond the bound are dropped from memory, and read again when they are asked for."""
    ledger = StoreLedger(MemoryStore())
    for number in range(50):
        await ledger.learned("feed", ProjectName(f"p{number}"))
    assert ledger._documents.currsize == 50
    assert ledger._documents.maxsize == HELD_FACTS


async def test_the_first_who_saw_a_file_pins_it_for_all() -> None:
    """A ledger with an old document cannot replace what another one has pinned, and is told what holds."""
    store = MemoryStore()
    first, second = StoreLedger(store), StoreLedger(store)
    assert await second.learned("feed", NAME) == {}
    assert await first.learn("feed", NAME, "six.whl", facts(1)) == facts(1)
    assert await second.learn("feed", NAME, "six.whl", facts(2)) == facts(1)
    assert await second.learned("feed", NAME) == {"six.whl": facts(1)}
    assert await StoreLedger(store).learned("feed", NAME) == {"six.whl": facts(1)}


async def test_more_may_be_learned_of_the_same_bytes() -> None:
    """A pin is of bytes: what they teach besides may be added later."""
    ledger = StoreLedger(MemoryStore())
    more = msgspec.structs.replace(facts(1), metadata_sha256=facts(9).sha256)
    await ledger.learn("feed", NAME, "six.whl", facts(1))
    assert await ledger.learn("feed", NAME, "six.whl", more) == more
    assert await ledger.learned("feed", NAME) == {"six.whl": more}


async def test_what_another_process_learned_is_noticed() -> None:
    """A document is believed for a moment and then compared with the store; what needs it now sees it at once."""
    store, clock = CountingStore(), Clock()
    ledger = StoreLedger(store, recheck_seconds=1, monotonic=clock)
    known = await ledger.learned("feed", NAME)
    await StoreLedger(store).learn("feed", NAME, "six.whl", facts(1))
    clock.now += 0.5
    assert await ledger.learned("feed", NAME) is known
    assert await ledger.learned("feed", NAME, now=True) == {"six.whl": facts(1)}
    known = await ledger.learned("feed", NAME)
    await StoreLedger(store).learn("feed", NAME, "more.whl", facts(2))
    clock.now += 2
    assert set(await ledger.learned("feed", NAME)) == {"six.whl", "more.whl"}
    gets = store.gets
    clock.now += 2
    assert await ledger.learned("feed", NAME) is await ledger.learned("feed", NAME, now=True)
    assert store.gets == gets


async def test_a_store_that_fails_takes_nothing_away() -> None:
    """While the store cannot be asked again, what is known holds, but not for who needs to know it now."""
    store, clock = CountingStore(), Clock()
    ledger = StoreLedger(store, recheck_seconds=1, monotonic=clock)
    await ledger.learn("feed", NAME, "six.whl", facts(1))
    store.failure = StoreError("down")
    clock.now += 2
    assert await ledger.learned("feed", NAME) == {"six.whl": facts(1)}
    with pytest.raises(StoreError):
        await ledger.learned("feed", NAME, now=True)
