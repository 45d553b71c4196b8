"""What the cases of faults have in common."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.mortal import Nursery, open_nursery

pytest.register_assert_rewrite("tests.faults.remains")


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    """Give a nursery."""
    async with open_nursery() as nursery:
        yield nursery
