"""One request and its redirects, followed by hand: every hop passes the guard, credentials leave with their origin.

What is never done: a HEAD (Azure Artifacts answers 405), cookies, remembering where a redirect led (signed targets
expire), and taking proxies or a netrc from the environment: a proxy would resolve names out of the guard's sight, and a
netrc would add credentials that nobody configured here.

No `Cache-Control: no-cache` is sent: how long a cache on the way may keep a page is for the upstream to say, and asking
every cache in a chain to start over would turn a chain of mirrors into none.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from mirror.errors import Refused, Rejected, Throttled
from mirror.ports import Clock
from mirror.simple.sign_in import is_sign_in_place
from mirror.upstream.breaker import Breaker
from mirror.upstream.credentials import Connection, Connections, authorization
from mirror.upstream.failures import TRANSPORT_ERRORS, Asked, Passing, for_status
from mirror.upstream.guard import Guard
from mirror.upstream.limits import KIB, Limits
from mirror.upstream.pause import Pause
from mirror.upstream.resolver import GuardedResolver
from mirror.upstream.trust import Trust
from mirror.upstream.urls import exact, host_of, origin, place

MOST_REDIRECTS = 5
READ_BUFFER_BYTES = 512 * KIB

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOO_MANY = 429
_SERVER_ERROR = 500
_ALWAYS = {"X-TFS-FedAuthRedirect": "Suppress"}
"""Asks Azure DevOps for an honest 401 in place of a redirect to its sign-in page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer at the end of the redirects, its body still to come."""

    response: aiohttp.ClientResponse
    asked: Asked


class Exchange:
    """The HTTP side of one upstream: its own connections, so that its guard alone decides where they go."""

    def __init__(
        self,
        name: str,
        home: URL,
        *,
        guard: Guard,
        connections: Connections,
        limits: Limits,
        user_agent: str,
        clock: Clock,
    ) -> None:
        self._name = name
        self._home = home
        self._guard = guard
        self._connections = connections
        self._limits = limits
        self._clock = clock
        self._pause = Pause(clock)
        self._breaker = Breaker(name, clock)
        self._headers = {**_ALWAYS, "User-Agent": user_agent}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._trust = Trust()

    async def ask(self, url: URL, headers: Mapping[str, str]) -> Answer:
        """Send a GET and follow its redirects.

        The caller releases the response: `async with answer.response`.

        Raises:
            Refused: the URL or a redirect points where the guard does not let it.
            Rejected: it led to a sign-in page, or the secret of its connection cannot be read.
            Throttled: it asks to be left alone, or asked for it before and the time is not over (`NotAsked`).
            Unreachable: there was no answer, or too many redirects; or it failed again and again just now (`NotTried`).
            Passing: there was no answer, and there may be one soon.
        """
        self._pause.check()
        if self._guard.is_home(url):
            self._breaker.check()
        connection = self._connection_for(url)
        asked = Asked(self._name, url, None if connection is None else connection.name)
        credentials = await self._authorization(connection)
        for _ in range(MOST_REDIRECTS + 1):
            self._guard.check(asked.url)
            response = await self._hop(asked, {**self._headers, **headers, **credentials})
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                self._heed(response, asked)
                return Answer(response, asked)
            response.release()
            target = exact(location, asked.url)
            if is_sign_in_place(host_of(target), target.raw_path):
                raise asked.rejected("a redirect to its sign-in page")
            if asked.url.scheme == "https" and target.scheme != "https":
                raise Refused(
                    f"Upstream {self._name!r} redirects from https to {place(target)} without it; not followed."
                )
            if origin(target) != origin(asked.url):
                # For good: not even a later redirect back gets them again.
                credentials = {}
                asked = Asked(self._name, target, asked.connection, away=True)
            else:
                asked = Asked(self._name, target, asked.connection, away=asked.away)
        raise asked.unreachable(f"redirects more than {MOST_REDIRECTS} times")

    async def aclose(self) -> None:
        """Close all connections; what is under way breaks off."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _heed(self, response: aiohttp.ClientResponse, asked: Asked) -> None:
        """Begin a pause when the upstream itself asks for one; a host that it redirects to speaks for itself."""
        if response.status != _TOO_MANY:
            return
        response.release()
        answer = for_status(asked, response.status, response.headers, self._clock())
        if isinstance(answer, Throttled) and not asked.away:
            self._pause.begin(answer)
        raise answer

    def _connection_for(self, url: URL) -> Connection | None:
        """Choose credentials: by target, else on the upstream's own origin the ones of its index.

        Azure Artifacts puts files under the feed's GUID, where a target with the feed's name does not match. A host that
        is allowed by `*` alone gets none: a page could else spend the credentials of one upstream for another.
        """
        if not self._guard.vouches_for(url):
            return None
        chosen = self._connections.choose(url)
        if chosen is None and self._guard.is_home(url):
            return self._connections.choose(self._home)
        return chosen

    async def _authorization(self, connection: Connection | None) -> dict[str, str]:
        if connection is None:
            return {}
        try:
            value = await asyncio.to_thread(authorization, connection)
        except Exception as error:
            # Where a secret is kept is nobody's business but the operator's, whom `doctor` tells.
            sentence = f"Upstream {self._name!r} cannot be asked: the secret of connection {connection.name!r} cannot be had."
            raise Rejected(self._name, f"{sentence} Run wheelkeep doctor to see why.") from error
        return {} if value is None else {"Authorization": value}

    async def _hop(self, asked: Asked, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        limits, trusted = self._limits, self._trust.context
        try:
            # The look-up and the handshakes have bounds of their own, `connect_seconds` each.
            async with asyncio.timeout(2 * limits.connect_seconds + limits.first_byte_seconds):
                response = await self._open_session().get(
                    asked.url, headers=headers, allow_redirects=False, ssl=trusted or True
                )
        except TRANSPORT_ERRORS as error:
            failure = asked.broken(error)
            self._judge(asked, str(failure))
            is_untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
            if is_untrusted and not await self._trust.renewed_since(trusted):
                raise failure from failure.__cause__
            raise Passing(failure) from failure.__cause__
        is_down = response.status >= _SERVER_ERROR
        self._judge(asked, str(asked.unreachable(f"answered HTTP {response.status}")) if is_down else None)
        return response

    def _judge(self, asked: Asked, failure: str | None) -> None:
        """Tell the breaker how the upstream's own place did."""
        if not self._guard.is_home(asked.url):
            return
        if failure is None:
            self._breaker.succeeded()
        else:
            self._breaker.failed(failure)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise aiohttp.ClientConnectionError("closed")
        if self._session is None:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                # The client counts exchanges; a limit here would stop the clock of a request that waits its turn.
                connector=aiohttp.TCPConnector(
                    limit=0, resolver=GuardedResolver(self._guard, seconds=limits.connect_seconds)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=READ_BUFFER_BYTES,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=limits.connect_seconds, sock_read=limits.between_bytes_seconds
                ),
            )
        return self._session
