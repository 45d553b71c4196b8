"""Asks the guard about every address that a name resolves to, at the moment of connecting.

aiohttp resolves a name and connects to what this resolver gave: nothing is looked up again in between, so that an
address that was not allowed is never connected to. Addresses in URLs do not come by here; the guard saw them before.
"""

import asyncio
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from mirror.errors import Refused
from mirror.upstream.guard import Guard


class GuardedResolver(AbstractResolver):
    """The system's resolver behind a guard.

    It is the system's own on purpose: `/etc/hosts`, search domains and split DNS apply as they do for pip.
    """

    def __init__(self, guard: Guard, *, seconds: float, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._seconds = seconds
        self._inner = inner or ThreadedResolver()

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
