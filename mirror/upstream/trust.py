"""The certificates that TLS is checked against: the machine's own, loaded again when they may have been rotated."""

import asyncio
import ssl
import time

RELOAD_SECONDS = 10
"""A certificate that is not trusted makes them be loaded again at most so often."""


class Trust:
    """Whose certificates count. Where they are is for `SSL_CERT_FILE`, `SSL_CERT_DIR` and the system to say."""

    def __init__(self) -> None:
        self.context: ssl.SSLContext | None = None
        """What to check against now; None: what the process loaded when it began."""
        self._loaded: float | None = None
        self._lock = asyncio.Lock()

    async def renewed_since(self, used: ssl.SSLContext | None) -> bool:
        """Load the certificates again after one was not trusted.

        Args:
            used: the `context` that it was checked against.

        Returns:
            Whether there is a newer one to try now.
        """
        async with self._lock:
            if self.context is used and (
                self._loaded is None or time.monotonic() - self._loaded > RELOAD_SECONDS
            ):
                self.context = await asyncio.to_thread(ssl.create_default_context)
                self._loaded = time.monotonic()
            return self.context is not used
