"""The store in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.ports import Store
from mirror.stores.memory import MemoryStore
from tests.compliance.store import KEYS, StoreCompliance, behaves_like_a_dictionary


@pytest.fixture
def store() -> Store:
    """Give an empty store in memory."""
    return MemoryStore()


class TestMemoryStore(StoreCompliance):
    """It passes the suite."""


@given(names=st.sets(KEYS, max_size=8))
async def test_like_a_dictionary(names: set[str]) -> None:
    """Any keys are held, listed in order and found by any beginning, as a dictionary would."""
    await behaves_like_a_dictionary(MemoryStore(), names)
