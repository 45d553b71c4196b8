"""Connections on which nothing comes, or half a request, take the server from nobody (F29)."""

import asyncio
import resource
import socket
from contextlib import AsyncExitStack
from pathlib import Path

from proxy.room import make_room
from tests.proxy.memory import read_all, read_reply
from tests.proxy.test_server import Running, running

HALF = "GET /healthz HTTP/1.1\r\nHost: index.example\r\nX-Half: "


async def _status(server: Running) -> int | None:
    """Ask for the health; None when the connection is turned away."""
    reader, writer = await server.get("/healthz", Connection="close")
    data = await read_all(reader)
    writer.close()
    return read_reply(data).status if data else None


async def test_half_a_request_is_cut_off_in_time(tmp_path: Path) -> None:
    """Who does not end the headers of a request within the keep-alive time is cut off, also when more bytes came meanwhile."""
    async with running(tmp_path, keepalive_seconds=0.3) as server, AsyncExitStack() as stack:
        connections = [await server.send(HALF if number % 2 else "") for number in range(100)]
        for _, writer in connections:
            stack.callback(writer.close)
        connections[1][1].write(b"more")
        assert await _status(server) == 200
        assert [await read_all(reader) for reader, _ in connections] == [b""] * 100
        assert await _status(server) == 200


async def test_what_has_no_room_is_closed_at_once(tmp_path: Path) -> None:
    """With as many connections as there may be the next is closed, those that are open are served, and there is room again after."""
    async with running(tmp_path, most_connections=5) as server, AsyncExitStack() as stack:
        connections = [await server.send(HALF) for _ in range(5)]
        for _, writer in connections:
            stack.callback(writer.close)
        assert await _status(server) is None
        reader, writer = connections[0]
        writer.write(b"\r\nConnection: close\r\n\r\n")
        assert read_reply(await read_all(reader)).status == 200
        assert await _status(server) == 200


def test_room_is_as_large_as_the_system_allows() -> None:
    """The limit of open files is raised to the hard one, and connections get three quarters of it at most."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        room = make_room(10**12)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
        assert room == before[1] * 3 // 4
        assert make_room(7) == 7
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_many_that_come_at_once_find_no_more_room(tmp_path: Path) -> None:
    """Of many connections that come in one moment as many are let in as there may be, and the rest is closed."""
    async with running(tmp_path, most_connections=5) as server, AsyncExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(40)]
        for client in clients:
            client.settimeout(0)
            client.connect_ex(
                ("127.0.0.1", server.port)
            )  # nobody is waited for, so that all of them wait together
        loop = asyncio.get_running_loop()
        ends = {asyncio.ensure_future(loop.sock_recv(client, 1)) for client in clients}
        while len(ends) > 5:
            ended, ends = await asyncio.wait(ends, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert {end.result() for end in ended} == {b""}
        assert len(ends) == 5
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
