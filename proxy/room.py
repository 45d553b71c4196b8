"""How many connections may be open at one time, and what becomes of the rest: closed at once, so that those that are stay served.

Whoever opens connections and sends nothing on them, or half a request, holds one descriptor for each until its time is over.
Files and upstreams need descriptors too, and a process that has none left accepts nobody.
"""

import asyncio
import resource
from contextlib import suppress

MOST_CONNECTIONS = 10_000


def make_room(most: int) -> int:
    """Raise the limit of open files of this process as far as it goes, and give the connections that fit.

    Args:
        most: connections, at the highest; a quarter of the descriptors is left to all else.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, soft * 3 // 4))


class TurnedAway(asyncio.Protocol):
    """The protocol of a connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it; nothing was asked, so that every client may ask again."""
        transport.close()
