"""A tap between a client and wheelkeep: it passes everything on, and keeps what the client has asked."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.clients.keeper import START_SECONDS

_HEAD = re.compile(rb"(GET|HEAD) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Request:
    """What a client has asked: the path, and the fields by their names in lower case."""

    path: str
    fields: dict[str, str]


@dataclass
class Tap:
    """Listens at a port of its own.

    Attributes:
        port: of wheelkeep.
        own_port: of the tap.
        said: what came over each connection of a client.
    """

    port: int
    own_port: int = 0
    said: list[bytearray] = field(default_factory=list)

    @property
    def index_url(self) -> str:
        """What a client is told."""
        return f"http://127.0.0.1:{self.own_port}/simple/"

    def asked(self, filename: str) -> list[Request]:
        """Give the requests for a file, in the order of their connections."""
        return [
            request
            for said in self.said
            for request in map(_request, _HEAD.finditer(said))
            if request.path.endswith(f"/{filename}")
        ]

    async def serve(self, ready: threading.Event) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.own_port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = bytearray()
        self.said.append(said)
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(_pass_on(reader, ours, said), _pass_on(theirs, writer, None))


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    """Run a tap before wheelkeep, on a thread of its own."""
    tap, ready = Tap(port), threading.Event()
    runner = asyncio.Runner()
    loop = runner.get_loop()
    serving = loop.create_task(tap.serve(ready))

    def run() -> None:
        with runner, suppress(asyncio.CancelledError):
            runner.run(asyncio.wait({serving}))

    thread = threading.Thread(target=run, name="tap", daemon=True)
    thread.start()
    try:
        assert ready.wait(START_SECONDS)
        yield tap
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(START_SECONDS)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None
) -> None:
    """Pass on what comes, and its end, which is a reset when what came was one."""
    with suppress(OSError):
        try:
            while piece := await reader.read(_PIECE_BYTES):
                if kept is not None:
                    kept += piece
                writer.write(piece)
                await writer.drain()
        except OSError:
            writer.transport.abort()
        else:
            writer.close()


def _request(found: re.Match[bytes]) -> Request:
    lines = (line.partition(b": ") for line in found[3].split(b"\r\n"))
    return Request(found[2].decode(), {name.decode().lower(): value.decode() for name, _, value in lines})
