"""An upstream over HTTP: asks, judges the answer, and gives values of the house or its errors; it keeps nothing.

Pages are asked for as JSON first, and again when a failure may be passing; a file is asked for once, since whoever
reads it knows best where to go on. What comes is taken only whole: `document` and `body` hold the proofs.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from yarl import URL

from mirror.errors import FileNotFound, Invalid, ProjectNotFound
from mirror.events import Observer, nobody
from mirror.model import ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.ports import Clock, FetchedList, FetchedPage, Validators
from mirror.simple import parse
from mirror.upstream.body import ArrivingBody
from mirror.upstream.calls import Call, Kind
from mirror.upstream.credentials import Connections
from mirror.upstream.desk import Desk, Question
from mirror.upstream.exchange import Exchange
from mirror.upstream.failures import Asked, Passing
from mirror.upstream.files import Opener
from mirror.upstream.guard import Guard
from mirror.upstream.limits import Limits
from mirror.upstream.slots import Slots
from mirror.upstream.urls import exact, shown

PAGES = {
    "Accept": (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
    ),
    "Accept-Encoding": "gzip",
}
"""What pages are asked for with: PEP 691, richest form first."""
PLAIN = {"Accept-Encoding": "identity"}
DEFAULT_LIMITS = Limits()
NOTHING_KNOWN = Validators()


class UpstreamClient:
    """Fulfils `mirror.ports.Upstream` for one simple index.

    Args:
        name: its name in the configuration.
        url: of its project list; a missing final slash is added, and nothing else is changed.
        connections: all that are configured: the ones that match are used.
        user_agent: what it says it is, e.g. `wheelkeep/1.0`.
        file_hosts: where its files may be besides its own origin; see `guard`.
        limits: how long, how large and how many.
        within: the room that it shares with other upstreams; None: with none.
        observer: is told of each exchange.
        clock: Unix seconds, to read dates in `Retry-After` by.

    Raises:
        Invalid: `url` or an entry of `file_hosts` is malformed.
    """

    def __init__(
        self,
        name: str,
        url: str | URL,
        *,
        connections: Connections,
        user_agent: str,
        file_hosts: Sequence[str] = (),
        limits: Limits = DEFAULT_LIMITS,
        within: Slots | None = None,
        observer: Observer = nobody,
        clock: Clock = time.time,
    ) -> None:
        self.name = name
        self._home = _home(name, url)
        self._connections = connections
        self._observer = observer
        self._slots = Slots(limits.connections, within)
        self._exchange = Exchange(
            name,
            self._home,
            guard=Guard(self._home, file_hosts),
            connections=connections,
            limits=limits,
            user_agent=user_agent,
            clock=clock,
        )
        self._opener = Opener(self._exchange, limits, clock)
        self._desk = Desk(
            name, self._exchange, slots=self._slots, limits=limits, observer=observer, clock=clock
        )

    @property
    def connection_name(self) -> str | None:
        """The connection whose credentials the index is asked with; None when none matches."""
        connection = self._connections.choose(self._home)
        return None if connection is None else connection.name

    async def fetch_page(self, project: ProjectName, known: Validators | None = None) -> FetchedPage | None:
        """Ask for a project page; see `mirror.ports.Upstream.fetch_page`."""

        def read(body: bytes, media_type: str, url: str) -> ProjectPage:
            return parse.page(body, media_type=media_type, url=url, project=project)

        fetched = await self._desk.ask(
            Question(
                kind="page",
                url=URL(f"{self._home}{project}/", encoded=True),
                headers=PAGES,
                reader=read,
                missing=ProjectNotFound(f"Upstream {self.name!r} has no project {project!r}."),
                known=known or NOTHING_KNOWN,
            )
        )
        return None if fetched is None else FetchedPage(page=fetched.value, validators=fetched.validators)

    async def fetch_list(self, known: Validators | None = None) -> FetchedList | None:
        """Ask for the project list; see `mirror.ports.Upstream.fetch_list`."""
        asked = Asked(self.name, self._home, self.connection_name)
        fetched = await self._desk.ask(
            Question(
                kind="list",
                url=self._home,
                headers=PAGES,
                reader=_read_list,
                missing=asked.unreachable(f"has no project list at {shown(self._home)}"),
                known=known or NOTHING_KNOWN,
            )
        )
        return None if fetched is None else FetchedList(projects=fetched.value, validators=fetched.validators)

    async def fetch_metadata(self, url: str) -> bytes:
        """Ask for the core metadata beside a distribution file; see `mirror.ports.Upstream.fetch_metadata`."""
        target = exact(url)
        # A signed URL keeps its query at the end, which is how uv asks for it.
        target = target.with_path(f"{target.raw_path}.metadata", encoded=True, keep_query=True)
        missing = FileNotFound(f"Upstream {self.name!r} has nothing at {shown(target)}.")
        fetched = await self._desk.ask(
            Question(
                kind="metadata",
                url=target,
                headers=PLAIN,
                reader=_read_metadata,
                missing=missing,
                known=NOTHING_KNOWN,
            )
        )
        if fetched is None:
            raise missing
        return fetched.value

    @asynccontextmanager
    async def open_file(
        self, url: str, *, start: int = 0, stop: int | None = None, validator: str | None = None
    ) -> AsyncIterator[ArrivingBody]:
        """Ask for a file or a part of it; see `mirror.ports.Upstream.open_file`."""
        target = exact(url)
        kind: Kind = "file" if start == 0 and stop is None else "range"
        async with self._slots.file(), AsyncExitStack() as stack:
            call = Call(self.name, kind, self._observer)
            try:
                body = await self._opener.open(
                    stack, target, start=start, stop=stop, validator=validator, call=call
                )
            except Passing as passing:
                call.end(passing.failure)
                raise passing.failure from passing.failure.__cause__
            except BaseException as error:
                call.end(error)
                raise
            try:
                yield body
            finally:
                call.end(body.failure)

    async def aclose(self) -> None:
        """Close all connections; what is under way breaks off as `Unreachable`."""
        await self._exchange.aclose()


def _home(name: str, url: str | URL) -> URL:
    try:
        home = URL(url)
    except ValueError:
        raise Invalid(f"The URL of upstream {name!r} is not a URL.") from None
    if "@" in home.raw_authority or home.raw_query_string or home.raw_fragment:
        raise Invalid(
            f"The URL of upstream {name!r} must be without user, query and fragment: credentials belong into a connection."
        )
    return home if home.raw_path.endswith("/") else home.with_path(f"{home.raw_path}/", encoded=True)


def _read_list(body: bytes, media_type: str, url: str) -> ProjectList:
    return parse.project_list(body, media_type=media_type, url=url)


def _read_metadata(body: bytes, _media_type: str, _url: str) -> bytes:
    # Core metadata begins with the name of a field; what begins like markup is a page for people.
    if body.lstrip().startswith(b"<"):
        raise Invalid("It is a web page in place of core metadata.")
    return body
