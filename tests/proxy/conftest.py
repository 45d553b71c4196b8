"""A running application over an index and a file service in memory."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from tests.proxy.memory import House, assemble


@pytest.fixture(autouse=True)
def lines() -> Iterator[LogCapture]:
    """Capture the log, request ids included."""
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture
    structlog.reset_defaults()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Serve an application on loopback for one test."""
    built = assemble(tmp_path)
    await built.server.start_server()
    yield built
    await built.server.close()
