"""Clients that ask and take nothing: what waits for them is bounded, and so is how long it waits (F30)."""

import asyncio
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from mirror.model import File
from proxy.sendfile import SMALL_BYTES
from tests.proxy.memory import read_reply
from tests.proxy.test_server import Running, running, until

BUFFER_BYTES = 4096
REQUEST = b"GET /simple/demo-pkg/ HTTP/1.1\r\nHost: index.example\r\nAccept: application/vnd.pypi.simple.v1+json\r\n\r\n"


def _page(server: Running) -> None:
    """Have a page that is larger than what kernels take, and small enough for the front."""
    files = (File(filename=f"demo_pkg-{number}.0.tar.gz", url="") for number in range(150))
    server.house.index.add("demo-pkg", *files)


async def _read(client: socket.socket) -> bytes:
    """Read one whole answer."""
    loop, data = asyncio.get_running_loop(), b""
    while b"\r\n\r\n" not in data or not read_reply(data).whole:
        data += await loop.sock_recv(client, 65536)
    return data


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize("known", [False, True])
async def test_what_nobody_takes_does_not_wait_for_ever(tmp_path: Path, *, known: bool) -> None:
    """A connection whose client takes nothing of a small answer, given by the application or by heart, is closed in time."""
    async with running(
        tmp_path, keepalive_seconds=0.2, write_seconds=0.3, buffer_bytes=BUFFER_BYTES
    ) as server:
        _page(server)
        with closing(socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            client.settimeout(0)
            loop, before = asyncio.get_running_loop(), _open_files()
            await loop.sock_connect(client, ("127.0.0.1", server.port))
            if known:
                await loop.sock_sendall(client, REQUEST)
                assert 3 * BUFFER_BYTES < len(await _read(client)) <= SMALL_BYTES
            await loop.sock_sendall(client, REQUEST)
            await until(lambda: _open_files() == before)
