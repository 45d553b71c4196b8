"""An upstream client for each test, with its events, closed at the end."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from yarl import URL

from mirror.events import Event, UpstreamCalled
from mirror.upstream.client import UpstreamClient
from mirror.upstream.credentials import AuthType, Connection, Connections
from mirror.upstream.limits import Limits

QUICK = Limits(retry_wait_seconds=0.001)
TOKEN = "t0ken"
NOON = 1_700_000_000.0


def pat(target: str, secret: str | Callable[[], str] = TOKEN, *, name: str = "feed-pat") -> Connection:
    """Make a connection with a PAT."""
    return connection(target, "PAT", secret, name=name)


def connection(
    target: str,
    auth_type: AuthType,
    secret: str | Callable[[], str] = TOKEN,
    *,
    name: str = "feed-pat",
    username: str = "",
) -> Connection:
    """Make a connection of any auth type."""
    read = secret if callable(secret) else lambda: secret
    return Connection(name, "PythonFeed", URL(target), auth_type, username, read)


@dataclass
class Bench:
    """Makes clients, keeps what they tell, and says what time it is for them."""

    now: float = NOON
    events: list[Event] = field(default_factory=list)
    clients: list[UpstreamClient] = field(default_factory=list)
    long_body_bytes: int = QUICK.long_body_bytes

    def client(
        self,
        url: str,
        *connections: Connection,
        file_hosts: Sequence[str] = (),
        limits: Limits = QUICK,
        name: str = "feed",
    ) -> UpstreamClient:
        """Make a client; it is closed when the test ends."""
        made = UpstreamClient(
            name,
            url,
            connections=Connections(connections),
            user_agent="wheelkeep/test",
            file_hosts=file_hosts,
            limits=replace(limits, long_body_bytes=self.long_body_bytes),
            observer=self.events.append,
            clock=lambda: self.now,
        )
        self.clients.append(made)
        return made

    @property
    def calls(self) -> list[UpstreamCalled]:
        """The exchanges that were told."""
        return [event for event in self.events if isinstance(event, UpstreamCalled)]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """What was asked for and how it ended, exchange by exchange."""
        return [(call.kind, call.outcome) for call in self.calls]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a bench, and close what was made on it."""
    made = Bench()
    yield made
    for client in made.clients:
        await client.aclose()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """Give a file with the right PAT."""
    path = tmp_path / "feed-pat"
    path.write_text("t0ken\n")
    return path
