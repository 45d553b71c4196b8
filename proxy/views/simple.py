"""The simple repository API: project list and project pages (PEP 503, PEP 691), negotiated, conditional, compressed."""

from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import web

from mirror import names
from mirror.errors import Invalid
from mirror.names import ProjectName
from mirror.ports import Index
from mirror.simple import negotiate
from mirror.simple.media import TEXT_HTML, V1_HTML, V1_JSON
from mirror.simple.negotiate import Choice
from proxy import caching
from proxy.front import Ready
from proxy.middleware import NOTE, Note
from proxy.pages import Pages, Rendering
from proxy.problems import Declined, Problem
from proxy.views import answers
from proxy.views.sending import Sender

OFFERED = (V1_JSON, V1_HTML, TEXT_HTML)


class _Found(NamedTuple):
    rendering: Rendering
    source: str | None
    stale_seconds: int | None


class SimpleViews:
    """The pages of one index at one place.

    Args:
        name: of the index.
        index: what is asked.
        pages: where renderings are kept.
        sender: sends the large ones.
        file_base: what the file links on a project page begin with, up to and with the slash before the project.
    """

    def __init__(self, name: str, index: Index, pages: Pages, sender: Sender, *, file_base: str) -> None:
        self._name = name
        self._index = index
        self._pages = pages
        self._sender = sender
        self._file_base = file_base

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Give the routes under `prefix` ("" or "/INDEX"); each answers HEAD as well."""
        return [
            web.get(f"{prefix}/simple", self.unfinished_root),
            web.get(f"{prefix}/simple/", self.root),
            web.get(f"{prefix}/simple/{{project}}", self.unfinished_project),
            web.get(f"{prefix}/simple/{{project}}/", self.project),
        ]

    async def root(self, request: web.Request) -> web.StreamResponse:
        """Answer with the project list."""
        note = self._note(request, "root")
        look = partial(self._list, _choice(request), compressed=_compressed(request))
        note.recipe = partial(_ready, look, answers.listed(request, "If-None-Match"))
        return await self._answer(request, note, await look())

    async def project(self, request: web.Request) -> web.StreamResponse:
        """Answer with a project page; a name that is not normalized is redirected to the one that is."""
        note = self._note(request, "project")
        typed = request.match_info["project"]
        name = project_name(typed)
        if name != typed:
            return _moved(request, f"../{name}/")
        look = partial(self._page, name, _choice(request), compressed=_compressed(request))
        note.recipe = partial(_ready, look, answers.listed(request, "If-None-Match"))
        return await self._answer(request, note, await look())

    async def unfinished_root(self, request: web.Request) -> web.Response:
        """Redirect to the same with its final slash: relative links need it."""
        self._note(request, "root")
        return _moved(request, "simple/")

    async def unfinished_project(self, request: web.Request) -> web.Response:
        """Redirect to the normalized name with its final slash."""
        self._note(request, "project")
        return _moved(request, f"{project_name(request.match_info['project'])}/")

    def _note(self, request: web.Request, view: str) -> Note:
        note = request[NOTE]
        note.view = view
        note.index = self._name
        return note

    async def _list(self, choice: Choice, *, compressed: bool) -> _Found:
        listing = await self._index.projects()
        rendering = await self._pages.projects(
            self._name, listing.projects, choice=choice, compressed=compressed
        )
        return _Found(rendering, None, listing.stale_seconds)

    async def _page(self, name: ProjectName, choice: Choice, *, compressed: bool) -> _Found:
        answer = await self._index.project(name)
        rendering = await self._pages.project(
            self._name, answer.page, file_base=self._file_base, choice=choice, compressed=compressed
        )
        return _Found(rendering, answer.source, answer.stale_seconds)

    async def _answer(self, request: web.Request, note: Note, found: _Found) -> web.StreamResponse:
        rendering, note.source, stale_seconds = found
        headers = rendering.headers
        note.outcome = "fresh"
        if stale_seconds is not None:
            note.outcome = "stale"
            headers = headers.copy()
            headers["Cache-Control"] = "public, max-age=0, must-revalidate"
            headers["X-Wheelkeep-Stale"] = str(stale_seconds)
        known = answers.listed(request, "If-None-Match")
        if known is not None and caching.matches(known, rendering.etag):
            note.outcome = "unmodified"
            return answers.unmodified(headers)
        body = rendering.body
        if request.method == "HEAD":
            return answers.bodiless(headers, len(body))
        if isinstance(body, bytes):
            return web.Response(body=body, headers=headers)
        response = web.StreamResponse(headers=headers)
        await self._sender.file(request, response, body, 0, len(body))
        return response


def project_name(typed: str) -> ProjectName:
    """Normalize a project's name from a path.

    Raises:
        Declined: 404, since there can be no project of a name that is none; nobody is asked.
    """
    try:
        return names.project_name(typed)
    except Invalid as error:
        raise Declined(Problem(HTTPStatus.NOT_FOUND, str(error))) from error


async def _ready(look: Callable[[], Coroutine[Any, Any, _Found]], known: str | None) -> Ready | None:
    """Make the answer anew for a fresh page, or for who has it; one that is stale is told as such by the application."""
    rendering, source, stale_seconds = await look()
    if stale_seconds is not None:
        return None
    if known is not None and caching.matches(known, rendering.etag):
        head = answers.unmodified_head(rendering.headers)
        return Ready(head, b"", source, "unmodified", HTTPStatus.NOT_MODIFIED)
    return Ready(rendering.head, rendering.body, source, "fresh")


def _choice(request: web.Request) -> Choice:
    wanted = request.query.get("format") if request.query_string else None
    choice = negotiate.choose(answers.listed(request, "Accept"), wanted)
    if choice is None:
        sentence = f"Only these content types are offered: {', '.join(OFFERED)}."
        raise Declined(Problem(HTTPStatus.NOT_ACCEPTABLE, sentence))
    return choice


def _compressed(request: web.Request) -> bool:
    return negotiate.accepts_gzip(answers.listed(request, "Accept-Encoding"))


def _moved(request: web.Request, place: str) -> web.Response:
    """Redirect to a relative place, for now only: pip replays a 301 for ever, and a host name would be the client's."""
    query = request.query_string and f"?{request.rel_url.raw_query_string}"
    headers = {"Location": f"{place}{query}", "Cache-Control": "no-store", "Content-Length": "0"}
    return web.Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers=headers)
