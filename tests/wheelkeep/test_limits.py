"""The limits that protect from clients, as settings of a running server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulator import Gate, Simulator, faults
from tests.wheelkeep.test_workers import LARGE, SMALL, Server, path_of, serving, until

Look = Callable[[Server, Simulator], Awaitable[None]]


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give an upstream with a small file and a large one."""
    async with Simulator() as feed:
        for built in (SMALL, LARGE):
            feed.add(built.project, built.filename, built.data)
        yield feed


async def _connections(server: Server, _feed: Simulator) -> None:
    """See two connections stay and the third turned away."""
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    assert await opened[2][0].read() == b""
    for _, writer in opened[:2]:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: index\r\n\r\n")
    for reader, _ in opened[:2]:
        assert (await reader.readline()).split()[1] == b"200"
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()

    async def room() -> bool:
        try:
            return (await server.get("/healthz")).status == 200
        except (ConnectionError, asyncio.IncompleteReadError):
            return False

    await until(room)


async def _keepalive(server: Server, _feed: Simulator) -> None:
    """See a connection on which nothing ends be closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")
    assert await reader.read() == b""
    writer.close()


async def _requests(server: Server, feed: Simulator) -> None:
    """See a page turned away while a file is under way."""
    gate = Gate()
    feed.misbehave(faults.hold(gate, 100_000), f"*/{LARGE.filename}", times=1)
    reader, writer = await server.ask(path_of(LARGE))
    await reader.readuntil(b"\r\n\r\n")
    assert (await server.get("/simple/")).status == 503
    gate.open()
    assert await reader.read() == LARGE.data
    writer.close()


async def _write(server: Server, _feed: Simulator) -> None:
    """See a client that takes nothing cut off."""
    assert (await server.get(path_of(LARGE))).body == LARGE.data
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        for built in (LARGE, SMALL):
            await loop.sock_sendall(client, f"GET {path_of(built)} HTTP/1.1\r\nHost: index\r\n\r\n".encode())

        async def stalled() -> bool:
            return any(line.get("outcome") in {"stalled", "gone"} for line in server.lines())

        await until(stalled)


async def _too_many(server: Server, _feed: Simulator) -> None:
    """See it said that so many do not fit."""
    [line] = [line for line in server.lines() if line["event"] == "fewer connections than configured"]
    assert line["level"] == "warning"
    assert "ulimit -Hn" in str(line["reason"])


@pytest.mark.parametrize(
    ("setting", "look"),
    [
        ({"WHEELKEEP_LIMITS__CONNECTIONS": "2"}, _connections),
        ({"WHEELKEEP_LIMITS__CONNECTIONS": "1000000000"}, _too_many),
        ({"WHEELKEEP_SERVER__KEEPALIVE_SECONDS": "0.3"}, _keepalive),
        ({"WHEELKEEP_LIMITS__REQUESTS": "1"}, _requests),
        ({"WHEELKEEP_LIMITS__WRITE_SECONDS": "0.5"}, _write),
    ],
    ids=["connections", "too many connections", "keepalive_seconds", "requests", "write_seconds"],
)
async def test_a_limit_is_kept_by_a_running_server(
    tmp_path: Path, environ: dict[str, str], feed: Simulator, setting: dict[str, str], look: Look
) -> None:
    """A limit on clients that is set to little, or to more than there can be, is seen from outside."""
    async with serving(tmp_path, environ | setting, feed, workers=1) as server:
        await look(server, feed)
