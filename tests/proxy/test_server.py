"""A server that really listens, and really leaves."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from yarl import URL

from mirror.model import File
from proxy.middleware import TRAFFIC
from proxy.server import LONGEST_LINE_BYTES, CannotListen, listen, serve
from tests.proxy.memory import House, MemoryArriving, assemble, read_all, read_reply, read_to_the_end

WHEEL = "demo_pkg-1.0-py3-none-any.whl"
DATA = b"".join(number.to_bytes(4) for number in range(500_000))


@dataclass
class Running:
    """A server under way."""

    house: House
    task: asyncio.Task[None]
    port: int

    async def send(self, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.encode("latin-1"))
        return reader, writer

    async def get(self, path: str, **fields: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and ask for a path."""
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: index.example",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        return await self.send("\r\n".join([*lines, "", ""]))


@asynccontextmanager
async def running(
    disk: Path,
    *,
    drain_seconds: float = 30,
    keepalive_seconds: float = 75,
    write_seconds: float = 60,
    most_connections: int = 1000,
    buffer_bytes: int | None = None,
    orders: socket.socket | None = None,
) -> AsyncIterator[Running]:
    """Serve on a free port of loopback until told to leave."""
    house = assemble(disk)
    [listening] = listen("127.0.0.1", 0)
    if buffer_bytes is not None:
        for each in listening.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            house.app,
            listening,
            drain_seconds=drain_seconds,
            keepalive_seconds=keepalive_seconds,
            write_seconds=write_seconds,
            most_connections=most_connections,
            orders=orders,
            on_ready=lambda: ready.set_result(None),
        )
    )
    task.add_done_callback(lambda _task: ready.cancel())
    await ready
    port = URL(listening.url).port
    assert port
    try:
        yield Running(house, task, port)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def under_way(house: House) -> tuple[MemoryArriving, asyncio.Semaphore]:
    """Put a file on its way, piece by piece as the test says."""
    gate = asyncio.Semaphore(1)
    house.index.add("demo-pkg", File(filename=WHEEL, url="", hashes={"sha256": sha256(DATA).hexdigest()}))
    arriving = house.files.arriving[WHEEL] = MemoryArriving(DATA, len(DATA), gate=gate)
    return arriving, gate


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the server does on its own; bounded, so that a failure is one."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not happen.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server(tmp_path: Path, number: signal.Signals) -> None:
    """An idle server returns when it is told to leave, and its port is free again."""
    async with running(tmp_path) as server:
        reader, writer = await server.get("/healthz", Connection="close")
        assert read_reply(await read_all(reader)).status == 200
        writer.close()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(20):
            await server.task
        with socket.create_server(("127.0.0.1", server.port)):
            pass


async def test_what_is_under_way_ends_properly(tmp_path: Path) -> None:
    """A stream that was under way when the signal came is whole; nobody new is let in, and readiness is off."""
    async with running(tmp_path) as server:
        arriving, gate = under_way(server.house)
        reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
        head = await reader.readuntil(b"\r\n\r\n")
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: server.house.app[TRAFFIC].draining)
        with pytest.raises(ConnectionRefusedError):
            await server.get("/healthz")
        assert not server.task.done()
        for _ in range(len(DATA) // arriving.piece + 1):
            gate.release()
        reply = read_reply(head + await read_all(reader))
        writer.close()
        assert (reply.whole, reply.body) == (True, DATA)
        async with asyncio.timeout(20):
            await server.task


async def test_who_is_accepted_while_it_leaves_is_not_forgotten(tmp_path: Path) -> None:
    """A connection that comes with the signal is closed or told that the server leaves, and not left waiting until all are done."""
    async with running(tmp_path) as server:
        arriving, gate = under_way(server.house)
        reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
        await reader.readuntil(b"\r\n\r\n")
        os.kill(os.getpid(), signal.SIGTERM)
        # The loop has not heard of the signal yet.
        with socket.create_connection(("127.0.0.1", server.port)) as late:
            late.sendall(b"GET /readyz HTTP/1.1\r\nHost: index.example\r\n\r\n")
            late.settimeout(0)
            said = b""
            async with asyncio.timeout(20):
                with suppress(ConnectionResetError):
                    while data := await asyncio.get_running_loop().sock_recv(late, 4096):
                        said += data
        assert not said or read_reply(said).status == 503
        assert not server.task.done()
        for _ in range(len(DATA) // arriving.piece + 1):
            gate.release()
        await read_all(reader)
        writer.close()
        async with asyncio.timeout(20):
            await server.task


async def test_idle_connections_do_not_hold_a_server_up(tmp_path: Path) -> None:
    """A connection that was kept alive, and one that never said anything, are closed at once."""
    async with running(tmp_path) as server:
        used, first = await server.get("/healthz")
        await used.readuntil(b"\r\n\r\n")
        silent, second = await server.send("")
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await server.task
        assert (await read_to_the_end(used))[0] == b'{"status":"ok"}'
        assert (await read_to_the_end(silent))[0] == b""
        first.close()
        second.close()


@pytest.mark.parametrize("impatient", ["deadline", "second signal"])
async def test_what_does_not_end_is_reset(tmp_path: Path, impatient: str) -> None:
    """A stream that outlives the drain, or meets a second signal, is reset and never ended as if it were whole."""
    async with running(tmp_path, drain_seconds=0.2 if impatient == "deadline" else 600) as server:
        arriving, _ = under_way(server.house)
        arriving.size = None
        reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
        await reader.readuntil(b"\r\n\r\n")
        os.kill(os.getpid(), signal.SIGTERM)
        if impatient == "second signal":
            await until(lambda: server.house.app[TRAFFIC].draining)
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await server.task
        data, reset = await read_to_the_end(reader)
        writer.close()
        assert reset
        assert len(data) < len(DATA)
        assert arriving.closed.is_set()
        assert not server.house.app[TRAFFIC].busy


async def test_a_client_that_leaves_cancels_its_request(tmp_path: Path) -> None:
    """The request of a client that is gone ends at once, though nothing arrives that could be written to it."""
    async with running(tmp_path) as server:
        arriving, _ = under_way(server.house)
        reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        async with asyncio.timeout(20):
            await arriving.closed.wait()


async def test_half_a_request_is_not_waited_for_long(tmp_path: Path) -> None:
    """A connection whose headers do not come to an end is closed after the keep-alive time."""
    async with running(tmp_path, keepalive_seconds=0.2) as server:
        reader, writer = await server.send("GET /healthz HTTP/1.1\r\nHost: ind")
        async with asyncio.timeout(20):
            data, _ = await read_to_the_end(reader)
        writer.close()
        assert data == b""


@pytest.mark.parametrize(
    "text",
    [
        "BREW / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        f"GET /{'a' * LONGEST_LINE_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: a\r\nX: {'a' * LONGEST_LINE_BYTES}a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n" + "X: 1\r\n" * 200 + "\r\n",
        "\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_what_is_no_request_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """A malformed, doubtful or oversized request is 400, without a traceback that anybody could fill the log with."""
    async with running(tmp_path) as server:
        with caplog.at_level("DEBUG", "proxy.protocol"):
            reader, writer = await server.send(text)
            data = await read_all(reader)
            writer.close()
    assert data.startswith(b"HTTP/1.0 400 ")
    assert b"Traceback" not in data
    assert [record.exc_info for record in caplog.records if record.name == "proxy.protocol"] in ([], [None])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken_is_one_sentence(workers: int) -> None:
    """A port in use is an error that names the port and says what to do, however many are to listen."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            CannotListen, match=rf"^Port {port} at 127.0.0.1 is taken .* choose another port\.$"
        ):
            listen("127.0.0.1", port, workers=workers)


def test_workers_of_another_server_are_not_joined() -> None:
    """A port at which another server's workers listen is taken, although they share it among themselves."""
    places = listen("127.0.0.1", 0, workers=2)
    port = URL(places[0].url).port
    assert port
    for workers in (1, 2):
        with pytest.raises(CannotListen, match="is taken"):
            listen("127.0.0.1", port, workers=workers)
    for place in places:
        place.close()


def test_workers_share_a_port() -> None:
    """Each worker has a socket of its own at one URL, which is told with the port that was chosen."""
    places = listen("127.0.0.1", 0, workers=3)
    ports = {each.getsockname()[1] for place in places for each in place.sockets}
    for place in places:
        place.close()
    assert {place.url for place in places} == {f"http://127.0.0.1:{ports.pop()}"}
    assert not ports


def test_a_foreign_address_is_one_sentence() -> None:
    """An address that is not one of this machine is an error that says so."""
    with pytest.raises(CannotListen, match=r"^This machine has no address 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example", "::1%nowhere"])
def test_a_host_that_is_none_is_one_sentence(host: str) -> None:
    """A host that stands for no address, or cannot be one at all, is an error that names it and says what to write."""
    with pytest.raises(CannotListen) as caught:
        listen(host, 0)
    assert (
        str(caught.value)
        == f"This machine has no address {host}: choose one of its own, 127.0.0.1 or 0.0.0.0."
    )


async def test_a_worker_hears_its_supervisor(tmp_path: Path) -> None:
    """An order is a signal: the first lets answers end, and the second does not wait for them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with running(tmp_path, drain_seconds=600, orders=theirs) as server:
            under_way(server.house)
            reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
            await reader.readuntil(b"\r\n\r\n")
            ours.send(bytes([signal.SIGTERM]))
            await until(lambda: server.house.app[TRAFFIC].draining)
            ours.send(bytes([signal.SIGINT]))
            async with asyncio.timeout(20):
                await server.task
            _, reset = await read_to_the_end(reader)
            writer.close()
            assert reset


async def test_a_worker_without_its_supervisor_leaves(tmp_path: Path) -> None:
    """The end of the orders lets answers under way end, as a SIGTERM does, and is heard once."""
    ours, theirs = socket.socketpair()
    with theirs:
        async with running(tmp_path, orders=theirs) as server:
            arriving, gate = under_way(server.house)
            reader, writer = await server.get(f"/files/demo-pkg/{WHEEL}")
            head = await reader.readuntil(b"\r\n\r\n")
            ours.close()
            await until(lambda: server.house.app[TRAFFIC].draining)
            for _ in range(len(DATA) // arriving.piece + 1):
                gate.release()
            reply = read_reply(head + await read_all(reader))
            writer.close()
            assert (reply.whole, reply.body) == (True, DATA)
            async with asyncio.timeout(20):
                await server.task


async def test_leaving_is_told(tmp_path: Path, lines: LogCapture) -> None:
    """The log says which signal ended the server, and how much was under way."""
    async with running(tmp_path) as server:
        os.kill(os.getpid(), signal.SIGTERM)
        await server.task
    [line] = [entry for entry in lines.entries if entry["event"] == "shutting down"]
    assert (line["signal"], line["requests"]) == ("SIGTERM", 0)
