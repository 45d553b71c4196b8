"""Clients in the middle of a file."""

import asyncio

from yarl import URL

from tests.faults.mortal import PATIENCE_SECONDS, Server


class Stream:
    """Somebody who has begun to read a file over a connection of his own.

    Attributes:
        port: at his end of it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: bytes) -> None:
        self.port: int = writer.get_extra_info("sockname")[1]
        self._reader = reader
        self._writer = writer
        self._begun = begun

    @classmethod
    async def begin(cls, server: Server, path: str, size: int) -> "Stream":
        """Ask for a file and read so many bytes of it.

        Raises:
            ConnectionError: nobody listens.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(server.url).port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: index\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            return cls(reader, writer, await reader.readexactly(size))

    async def end(self) -> bytes:
        """Read on to the end, or until it breaks, and give all that came."""
        rest = b""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while data := await self._reader.read(256 * 1024):
                    rest += data
        except ConnectionError:
            pass  # what came before counts
        finally:
            self._writer.close()
        return self._begun + rest
