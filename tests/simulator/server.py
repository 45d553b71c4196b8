"""One HTTP server on a loopback port that stays its own also while the server is down."""

import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

GOODBYE_SECONDS = 0.1
"""How long a request may still run when the server stops; a held answer would otherwise hold the test."""


class LoopbackServer:
    """A server that can be stopped and started on the same port; in between, connections are refused."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._runner: web.ServerRunner | None = None
        self.port = 0

    @property
    def authority(self) -> str:
        """Give `127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    async def start(self, handler: Handler) -> None:
        """Listen; a handler is cancelled when its client goes."""
        reserved = self._socket or self._reserve()
        self._runner = web.ServerRunner(
            web.Server(handler, handler_cancellation=True, access_log=None), shutdown_timeout=GOODBYE_SECONDS
        )
        await self._runner.setup()
        await web.SockSite(self._runner, reserved).start()
        self._socket = None

    async def stop(self) -> None:
        """End every connection and refuse new ones, keeping the port."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        await runner.cleanup()
        self._socket = self._reserve()

    async def close(self) -> None:
        """Stop, and give the port back."""
        await self.stop()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _reserve(self) -> socket.socket:
        """Bind without listening: nobody else gets the port, and whoever connects is refused."""
        reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", self.port))
        self.port = reserved.getsockname()[1]
        return reserved
