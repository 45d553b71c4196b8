"""The simulator itself: two servers on loopback, what they hold, what they were asked, and what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any, Self

from aiohttp import web

from tests.simulator.answers import Content, Project, answer, normalized
from tests.simulator.credentials import Pat
from tests.simulator.faults import Fault
from tests.simulator.files import StoredFile
from tests.simulator.record import Asked, Host, Kind
from tests.simulator.replies import send
from tests.simulator.rules import Rule
from tests.simulator.server import LoopbackServer
from tests.simulator.shape import Format, Redirect, Shape

HTML_ONLY: tuple[Format, ...] = ("html",)
PATIENCE_SECONDS = 30.0
AZURE_GUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
"""Azure Artifacts has a feed's pages under its name and its files under its GUID."""


class Simulator:
    """An upstream with its file host. Its state may be changed while it runs, also from another thread.

    Attributes:
        shape: how it is laid out and what it can speak.
        held: its projects, files and signature.
        requests: what was asked since the start or the last `forget`, in order of arrival.
        history: all that was ever asked.
        rules: the faults, the oldest first.
    """

    def __init__(self, shape: Shape | None = None, *, pat: str | None = None, **options: Any) -> None:
        """Describe a feed; `options` are the fields of a `Shape`, `pat` is short for its credential."""
        self.shape = shape or Shape(**options)
        if pat is not None:
            self.shape.credential = Pat(pat)
        self.held = Content()
        self.requests: list[Asked] = []
        self.history: list[Asked] = []
        self.rules: list[Rule] = []
        self._index = LoopbackServer()
        self._files = LoopbackServer()
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def azure(cls, pat: str | None, *, feed: str = "feed", redirect: Redirect = 303) -> Self:
        """Describe a feed with the oddities of Azure Artifacts.

        HTML only; no yanks, sizes, times, sidecars or validators; files under the feed's GUID and a version without
        its `.0`; 405 to HEAD; a file request is redirected to a signed URL on the file host.
        """
        shape = Shape(
            index_path=f"/org/_packaging/{feed}/pypi/simple/",
            files_path=f"/org/_packaging/{AZURE_GUID}/pypi/download/",
            formats=HTML_ONLY,
            azure=True,
            signed=redirect,
            heads=False,
            validators=(),
        )
        return cls(shape, pat=pat)

    @property
    def url(self) -> str:
        """Where the index's server is, e.g. `http://127.0.0.1:4001`."""
        return f"http://{self._index.authority}"

    @property
    def simple_url(self) -> str:
        """Where the simple index is: what an operator writes into the configuration."""
        return f"{self.url}{self.shape.index_path}"

    @property
    def index_host(self) -> str:
        """The index's server as `127.0.0.1:port`."""
        return self._index.authority

    @property
    def file_host(self) -> str:
        """The file host as `127.0.0.1:port`."""
        return self._files.authority

    def file_url(self, project: str, filename: str) -> str:
        """Give the URL at which a file really is, before any redirect."""
        origin = self.held.index if self.shape.files_on == "index" else self.held.files
        return origin + self.shape.file_path(project, self.held.projects[project].files[filename])

    async def __aenter__(self) -> Self:
        """Start both servers."""
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop both servers and give their ports back."""
        await self._index.close()
        await self._files.close()

    async def start(self) -> None:
        """Listen, on the same ports as before."""
        self._loop = asyncio.get_running_loop()
        await self._index.start(self._answering("index"))
        await self._files.start(self._answering("files"))
        self.held.index = self.url
        self.held.files = f"http://{self.file_host}"

    async def stop(self) -> None:
        """End all connections and refuse new ones until `start`."""
        await self._index.stop()
        await self._files.stop()

    def take_down(self) -> None:
        """Do what `stop` does, from outside the simulator's event loop."""
        self._outside(self.stop)

    def bring_up(self) -> None:
        """Do what `start` does, from outside the simulator's event loop."""
        self._outside(self.start)

    def add(self, project: str, filename: str, data: bytes, **fields: Any) -> StoredFile:
        """List a file on a project's page and serve it; `fields` are those of a `StoredFile`."""
        file = StoredFile(filename=filename, data=data, **fields)
        self.project(project).files[filename] = file
        return file

    def project(self, name: str) -> Project:
        """Give a project, made now when it is not there yet."""
        return self.held.projects.setdefault(normalized(name), Project())

    def rotate(self, pat: str) -> None:
        """Take another personal access token from now on, and the old one no more."""
        self.shape.credential = Pat(pat)

    def expire_signatures(self) -> None:
        """Let the signed URLs that were given out so far open nothing more."""
        number = int(self.held.signature.removeprefix("sig-"))
        self.held.signature = f"sig-{number + 1}"

    def misbehave(
        self,
        fault: Fault,
        path: str = "*",
        *,
        times: int | None = None,
        method: str | None = None,
        host: Host | None = None,
    ) -> Rule:
        """Lay a fault on the paths that match a pattern; where several lie, the oldest that still strikes does so alone.

        Args:
            fault: from `faults`.
            path: matched against the whole decoded path, e.g. `*/demo/` or `*.whl`.
            times: how often it strikes; None: until `Rule.stop`.
            method: only for this method.
            host: only on this server.
        """
        rule = Rule(fault, path, method, host, times)
        self.rules.append(rule)
        return rule

    def behave(self) -> None:
        """Lift every fault."""
        self.rules.clear()

    def asked(self, kind: Kind | None = None, path: str = "*", *, method: str | None = None) -> list[Asked]:
        """Find the requests of a kind, a path pattern and a method."""
        return [
            asked
            for asked in tuple(self.requests)
            if kind in {None, asked.kind} and method in {None, asked.method} and fnmatchcase(asked.path, path)
        ]

    def count(self, kind: Kind | None = None, path: str = "*", *, method: str | None = None) -> int:
        """Count the requests that `asked` finds."""
        return len(self.asked(kind, path, method=method))

    def forget(self) -> None:
        """Count from here on; `history` keeps what was before."""
        self.requests.clear()

    def _answering(self, host: Host) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def answering(request: web.BaseRequest) -> web.StreamResponse:
            kind = self.shape.kind(host, request.path)
            peer = 0 if request.transport is None else request.transport.get_extra_info("peername")[1]
            asked = Asked(
                request.method, host, request.path, request.query_string, request.headers, kind, peer
            )
            self.requests.append(asked)
            self.history.append(asked)
            reply = answer(self.shape, self.held, asked)
            rule = next((rule for rule in tuple(self.rules) if rule.strikes(asked)), None)
            return await send(request, reply if rule is None else rule.fault(reply), asked)

        return answering

    def _outside(self, act: Callable[[], Any]) -> None:
        if self._loop is None:
            raise RuntimeError("The simulator was not started yet.")
        asyncio.run_coroutine_threadsafe(act(), self._loop).result(PATIENCE_SECONDS)
