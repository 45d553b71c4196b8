"""Bodies that are more than one small piece: from open files, on the local disk or in memory, or as they arrive.

It promises that the memory of one answer is a few hundred KiB however large the file, that a client which does not take a piece
(1 MiB at most) within `write_seconds` is cut off, and that an answer which would come out too short or too long fails instead
of ending.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

from aiohttp import web

from mirror.errors import Corrupt, StoreError
from mirror.ports import Stretch
from proxy.middleware import NOTE
from proxy.sendfile import Sendable, in_small_portions, send_some

PIECE_BYTES = 256 * 1024
"""Smaller writes cost three times the processor time."""
SENDFILE_BYTES = 1024 * 1024
"""One call of `sendfile`, which the client must take within `write_seconds`: with 50 downloads at once over a slow line it does.
Twice as much would save a twentieth of the processor time, half as much cost a seventh."""


class Sender:
    """Sends bodies, each write within `write_seconds`."""

    def __init__(self, write_seconds: float) -> None:
        self._write_seconds = write_seconds

    async def arriving(
        self,
        request: web.Request,
        response: web.StreamResponse,
        chunks: AsyncIterator[bytes | Stretch],
        length: int | None,
    ) -> None:
        """Send bytes as they arrive; `length` of them, when that is known.

        The first ones are awaited before the headers go out, so that a download that fails at once is a real status.

        Raises:
            Corrupt: they came to more or fewer than `length`.
        """
        try:
            chunk = await anext(chunks, None)
            response.content_length = length
            await response.prepare(request)
            with in_small_portions(request.transport):
                await self._pass_all_on(request, response, chunk, chunks)
        finally:
            # An iterator that is left in the middle keeps its place in the download until it is closed.
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def file(
        self, request: web.Request, response: web.StreamResponse, file: Sendable, start: int, stop: int
    ) -> None:
        """Send bytes [start, stop) of an open file, on the disk or in memory: by `sendfile` where loop and transport can, else by reads."""
        response.content_length = stop - start
        await response.prepare(request)
        with in_small_portions(request.transport):
            at = await self._sendfiles(request, file, start, stop)
            while at < stop:
                piece = await asyncio.to_thread(os.pread, file.fileno(), min(stop - at, PIECE_BYTES), at)
                if not piece:
                    raise StoreError("A held file became shorter while it was sent.")
                await self._write(request, response, piece)
                at += len(piece)
                if at < stop:
                    at = await self._sendfiles(request, file, at, stop)
            await response.write_eof()

    async def _pass_all_on(
        self,
        request: web.Request,
        response: web.StreamResponse,
        chunk: bytes | Stretch | None,
        chunks: AsyncIterator[bytes | Stretch],
    ) -> None:
        """Send the first chunk and all that follow, as many bytes as were announced."""
        length, total = response.content_length, 0
        while chunk is not None:
            total += len(chunk)
            if length is not None and total > length:
                raise Corrupt(f"A file came to more than the {length} bytes that were announced.")
            await self._pass_on(request, response, chunk)
            chunk = await anext(chunks, None)
        if length is not None and total < length:
            raise Corrupt(f"A file ended after {total} of the {length} bytes that were announced.")
        await response.write_eof()

    async def _pass_on(
        self, request: web.Request, response: web.StreamResponse, chunk: bytes | Stretch
    ) -> None:
        """Send what has arrived: from the disk without copying it where that can be done, else through memory."""
        if isinstance(chunk, bytes):
            await self._write(request, response, chunk)
            return
        stop = chunk.start + len(chunk)
        chunked = response.content_length is None
        at = chunk.start if chunked else await self._sendfiles(request, chunk, chunk.start, stop)
        async for piece in chunk.pieces(at):
            await self._write(request, response, piece)

    async def _sendfiles(self, request: web.Request, file: Sendable, at: int, stop: int) -> int:
        """Send bytes [at, stop) of a file by `sendfile`, and tell how far that went."""
        while at < stop and _takes_sendfile(request):
            try:
                at += await self._sendfile(request, file, at, min(stop - at, SENDFILE_BYTES))
            except (NotImplementedError, asyncio.SendfileNotAvailableError):
                break
        return at

    async def _write(self, request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
        async with asyncio.timeout(self._write_seconds):
            await response.write(piece)
        request[NOTE].sent += len(piece)

    async def _sendfile(self, request: web.Request, file: Sendable, at: int, count: int) -> int:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client went away.")
        sent = send_some(transport, file, at, count)
        if sent:
            await asyncio.sleep(0)  # a client that takes all at once must not keep the others from theirs
        else:
            async with asyncio.timeout(self._write_seconds):
                sent = await asyncio.get_running_loop().sendfile(
                    transport, cast("BinaryIO", file), at, count, fallback=False
                )
        if not sent:
            raise StoreError("A held file became shorter while it was sent.")
        request[NOTE].sent += sent
        return sent


@asynccontextmanager
async def opened(path: Path, size: int) -> AsyncIterator[BinaryIO]:
    """Open a held file of `size` bytes.

    Raises:
        FileNotFoundError: it was evicted since it was looked up.
        StoreError: it cannot be read, or is not as long as it was.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, _open, path, size)
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise
    try:
        yield file
    finally:
        # Not awaited: the answer is out, and nobody has to wait for the file to close.
        loop.run_in_executor(None, file.close)


async def read(path: Path, start: int, stop: int, size: int) -> bytes:
    """Read bytes [start, stop) of a small held file of `size` bytes, in one thread hop.

    Raises:
        FileNotFoundError, StoreError: as `opened`.
    """
    return await asyncio.to_thread(_read, path, start, stop, size)


def _takes_sendfile(request: web.Request) -> bool:
    """Tell whether `sendfile` may be tried.

    It waits for an empty buffer first, and in asyncio that wait cannot be cancelled without harm; so it is tried only when
    there is nothing to wait for. TLS and loops that are not asyncio's own do not have it.
    """
    transport = request.transport
    return (
        transport is not None
        and transport.get_extra_info("sslcontext") is None
        and not transport.get_write_buffer_size()
    )


def _open(path: Path, size: int) -> BinaryIO:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"The held file {path.name} cannot be opened: {error.strerror}.") from error
    if os.fstat(file.fileno()).st_size != size:
        file.close()
        raise StoreError(f"The held file {path.name} is not {size} bytes long as it should be; remove it.")
    return file


def _read(path: Path, start: int, stop: int, size: int) -> bytes:
    with _open(path, size) as file:
        try:
            data = os.pread(file.fileno(), stop - start, start)
        except OSError as error:
            raise StoreError(f"The held file {path.name} cannot be read: {error.strerror}.") from error
    if len(data) != stop - start:
        raise StoreError(f"The held file {path.name} became shorter while it was read.")
    return data


def _close_unwanted(opening: "asyncio.Future[BinaryIO]") -> None:
    if opening.exception() is None:
        opening.result().close()
