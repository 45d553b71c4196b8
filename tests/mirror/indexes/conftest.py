"""Fixtures of the indexes."""

import pytest

from tests.mirror.indexes.scene import Feed, Scene


@pytest.fixture
def scene() -> Scene:
    """Give an empty store, a clock and no events."""
    return Scene()


@pytest.fixture
def feed() -> Feed:
    """Give an upstream that knows nothing yet."""
    return Feed("feed")
