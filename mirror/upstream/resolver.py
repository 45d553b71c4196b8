"""Asks the guard about every address that a name resolves to, at the moment of connecting.

aiohttp resolves a name and connects to what this resolver gave: nothing is looked up again in between, so that an
address that was not allowed is never connected to. Addresses in URLs do not come by here; the guard saw them before.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from aiohttp.abc import AbstractResolver, ResolveResult

from mirror.errors import Refused
from mirror.upstream.guard import Guard

Found = list[ResolveResult]
LookUp = Callable[[str, int, socket.AddressFamily], Found]
"""Asks for the addresses of (host, port, family), and blocks until it knows."""

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def system_look_up(host: str, port: int, family: socket.AddressFamily) -> Found:
    """Ask the system.

    Raises:
        OSError: it knows no address, or cannot tell.
    """
    found: Found = []
    flags = socket.AI_ADDRCONFIG
    for kind, _, proto, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags):
        # As numbers, for then a link-local address keeps its interface.
        number, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        found.append(
            ResolveResult(hostname=host, host=number, port=port, family=kind, proto=proto, flags=_NUMERIC)
        )
    return found


class ThreadResolver(AbstractResolver):
    """Looks names up in threads of its own, in one for each name however many ask.

    A look-up cannot be stopped, and where name servers do not answer it takes long. In the threads that everybody shares
    it would keep files from being read, and the process from ending.
    """

    def __init__(self, look_up: LookUp = system_look_up) -> None:
        self._look_up = look_up
        self._under_way: dict[tuple[str, int, socket.AddressFamily], asyncio.Future[Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a host.

        Raises:
            OSError: there are none, or the look-up failed.
        """
        asked = (host, port, family)
        answer = self._under_way.get(asked)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            Thread(target=self._ask, args=(asked, answer), name="look-up", daemon=True).start()
            self._under_way[asked] = answer
            answer.add_done_callback(lambda _: self._under_way.pop(asked))
        return await asyncio.shield(answer)

    async def close(self) -> None:
        """Leave what is under way to itself."""

    def _ask(self, asked: tuple[str, int, socket.AddressFamily], answer: asyncio.Future[Found]) -> None:
        try:
            found: Found | OSError = self._look_up(*asked)
        except OSError as error:
            found = error
        except ValueError as error:  # it cannot be written as the name of a host
            found = OSError(str(error))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            answer.get_loop().call_soon_threadsafe(_tell, answer, found)


def _tell(answer: asyncio.Future[Found], found: Found | OSError) -> None:
    if isinstance(found, OSError):
        answer.set_exception(found)
        answer.exception()  # seen, also when nobody waits any more
    else:
        answer.set_result(found)


class GuardedResolver(AbstractResolver):
    """The system's resolver behind a guard.

    It is the system's own on purpose: `/etc/hosts`, search domains and split DNS apply as they do for pip.
    """

    def __init__(self, guard: Guard, *, seconds: float, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._seconds = seconds
        self._inner = inner or ThreadResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a host that may be connected to.

        Raises:
            Refused: it has addresses, and none of them is allowed.
            OSError: it has none, or the look-up failed or took too long.
        """
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._inner.resolve(host, port, family)
        except TimeoutError as error:
            raise OSError(None, f"its name was not resolved within {self._seconds:g} s") from error
        allowed: list[ResolveResult] = []
        refusal: Refused | None = None
        for result in found:
            try:
                self._guard.check_address(host, port, result["host"])
            except Refused as error:
                refusal = error
            else:
                allowed.append(result)
        if refusal is not None and not allowed:
            raise refusal
        return allowed

    async def close(self) -> None:
        """Close the resolver behind."""
        await self._inner.close()
