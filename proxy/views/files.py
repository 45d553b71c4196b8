"""Distribution files and their core metadata: whole, in part, conditional; from the disk or as they arrive.

A held file is verified, and its entity tag is its digest. A stream is not yet verified: it carries a tag of its own and may not
be stored, so that no client ever glues a part of it to a verified part.
"""

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache, partial
from hashlib import sha256
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

from mirror import names
from mirror.errors import Corrupt, Invalid, StoreError
from mirror.model import FileRef, HeldFile
from mirror.names import ProjectName
from mirror.ports import Arriving, Files, Index
from proxy import caching
from proxy.caching import Asked, Selected, Span, Verdict
from proxy.front import Ready, wire_head
from proxy.middleware import NOTE, Note
from proxy.problems import Declined, Problem
from proxy.views import answers
from proxy.views.answers import FOR_EVER, UNVERIFIED
from proxy.views.sending import PIECE_BYTES, Sender, opened, read
from proxy.views.simple import project_name

METADATA = ".metadata"
_HASHED_ASIDE_BYTES = 256 * 1024
_MOST_HEADS = 4096
_MOST_METADATA_HEADS = 256
_LARGEST_KEPT_METADATA_BYTES = 32 * 1024
"""Each head keeps the metadata that it is of."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of which file."""

    request: web.Request
    note: Note
    asked: Asked
    ref: FileRef


class FileViews:
    """The files of one index at one place.

    Args:
        name: of the index.
        index: locates files.
        files: has their bytes.
        sender: sends them.
    """

    def __init__(self, name: str, index: Index, files: Files, sender: Sender) -> None:
        self._name = name
        self._index = index
        self._files = files
        self._sender = sender

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Give the routes under `prefix` ("" or "/INDEX"); each answers HEAD as well."""
        return [web.get(f"{prefix}/files/{{project}}/{{filename}}", self.file)]

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a distribution file, or with the core metadata beside it (PEP 658)."""
        note = request[NOTE]
        note.view, note.index = "file", self._name
        project = project_name(request.match_info["project"])
        filename = _filename(request.match_info["filename"])
        if filename.endswith(METADATA):
            note.view = "metadata"
            return await self._metadata(request, note, project, filename.removesuffix(METADATA))
        ref = await self._index.locate(project, filename)
        note.source = ref.source
        question = _Question(request, note, answers.asked(request), ref)
        if question.asked.if_none_match is None:
            note.recipe = partial(self._file_ready, project, filename)
        try:
            return await self._answer(question)
        except FileNotFoundError:
            pass  # it was evicted between the look and the opening: fetched again, it is there
        try:
            return await self._answer(question)
        except FileNotFoundError as error:
            raise StoreError(
                f"{filename} left the local disk as soon as it came; the cache is too small."
            ) from error

    async def _answer(self, question: _Question) -> web.StreamResponse:
        """Answer for a file, pulling no more of it than the answer needs."""
        asked, ref, note = question.asked, question.ref, question.note
        if ref.file.sha256 is not None:
            etag = f'"{ref.file.sha256}"'
            if not answers.passes(caching.precondition(asked, etag), note, 0):
                return answers.unmodified(answers.file_headers(etag, FOR_EVER))
        if question.request.method == "HEAD":
            return await self._measured(question)
        if asked.range is not None and asked.if_range is None:
            size = await self._files.size(ref)
            verdict = caching.span(asked.range, size)
            answers.passes(verdict, note, size)
            if isinstance(verdict, Span):
                return await self._part(question, verdict, size)
        whole = await self._files.obtain(ref)
        if isinstance(whole, HeldFile):
            return await self._held(question, whole)
        verdict = _resumed(asked, whole)
        answers.passes(verdict, note, whole.size or 0)
        return await self._arriving(question, whole, verdict, whole.size)

    async def _measured(self, question: _Question) -> web.StreamResponse:
        held = await self._files.held(question.ref)
        if held is not None:
            return await self._held(question, held)
        question.note.outcome = "measured"
        size = await self._files.size(question.ref)
        return answers.bodiless(answers.file_headers(None, UNVERIFIED), size)

    async def _part(self, question: _Question, span: Span, size: int) -> web.StreamResponse:
        part = await self._files.part(question.ref, *span)
        if isinstance(part, HeldFile):
            return await self._held(question, part)
        if part.size not in {None, size}:
            filename = question.ref.file.filename
            raise Corrupt(f"{filename} has {part.size} bytes and not the {size} that were announced.")
        return await self._arriving(question, part, span, size)

    async def _held(self, question: _Question, held: HeldFile) -> web.StreamResponse:
        request, note = question.request, question.note
        note.outcome = "held"
        etag, modified = f'"{held.sha256}"', int(held.modified)
        headers = _held_headers(etag, modified)
        head = request.method == "HEAD"
        selected = Selected(etag=etag, size=held.size, modified=modified)
        verdict = caching.decide(question.asked, selected, head=head)
        if not answers.passes(verdict, note, held.size):
            return answers.unmodified(headers)
        status, start, stop = answers.extent(verdict, headers, held.size)
        if head:
            return answers.bodiless(headers, held.size)
        if held.body is not None:
            return web.Response(status=status, body=held.body[start:stop], headers=headers)
        if stop - start <= PIECE_BYTES:
            body = await read(held.path, start, stop, held.size)
            return web.Response(status=status, body=body, headers=headers)
        async with opened(held.path, held.size) as file:
            response = web.StreamResponse(status=status, headers=headers)
            await self._sender.file(request, response, file, start, stop)
            return response

    async def _arriving(
        self, question: _Question, stream: Arriving, verdict: Verdict | Span, size: int | None
    ) -> web.StreamResponse:
        question.note.outcome = "arriving"
        headers = answers.file_headers(f'"{stream.tag}"', UNVERIFIED)
        if size is None or not isinstance(verdict, Span):
            chunks, length, status = stream.chunks(), size, HTTPStatus.OK
        else:
            question.note.outcome = "part"
            status, start, stop = answers.extent(verdict, headers, size)
            chunks, length = stream.chunks(start, stop), stop - start
        response = web.StreamResponse(status=status, headers=headers)
        await self._sender.arriving(question.request, response, chunks, length)
        return response

    async def _metadata(
        self, request: web.Request, note: Note, project: ProjectName, filename: str
    ) -> web.Response:
        asked = answers.asked(request)
        if asked.if_none_match is None:
            note.recipe = partial(self._metadata_ready, project, filename)
        ref = await self._index.locate(project, filename)
        note.source = ref.source
        body = await self._files.metadata(ref)
        note.outcome = "verified"
        large = len(body) > _HASHED_ASIDE_BYTES
        digest = await asyncio.to_thread(_sha256, body) if large else _sha256(body)
        headers = _metadata_headers(digest)
        if answers.passes(caching.precondition(asked, headers["ETag"]), note, len(body)):
            return web.Response(body=body, headers=headers)
        return answers.unmodified(headers)

    async def _file_ready(self, project: ProjectName, filename: str) -> Ready | None:
        """Make the answer anew for a file that is held in memory."""
        ref = await self._index.locate(project, filename)
        held = await self._files.obtain(ref)
        if not isinstance(held, HeldFile) or held.body is None:
            return None
        return Ready(_held_head(held.sha256, held.size, int(held.modified)), held.body, ref.source, "held")

    async def _metadata_ready(self, project: ProjectName, filename: str) -> Ready | None:
        """Make the answer anew for metadata that are held in memory."""
        ref = await self._index.locate(project, filename)
        body = await self._files.metadata(ref)
        if len(body) > _LARGEST_KEPT_METADATA_BYTES:
            return None
        return Ready(_metadata_head(body), body, ref.source, "verified")


def _held_headers(etag: str, modified: int) -> CIMultiDict[str]:
    headers = answers.file_headers(etag, FOR_EVER)
    headers["Last-Modified"] = formatdate(modified, usegmt=True)
    return headers


@lru_cache(maxsize=_MOST_HEADS)
def _held_head(sha256: str, size: int, modified: int) -> bytes:
    return wire_head(_held_headers(f'"{sha256}"', modified), size)


def _metadata_headers(digest: str) -> CIMultiDict[str]:
    headers = answers.file_headers(f'"{digest}"', FOR_EVER)
    del headers["Accept-Ranges"]  # small, and always sent whole
    return headers


@lru_cache(maxsize=_MOST_METADATA_HEADS)
def _metadata_head(body: bytes) -> bytes:
    """Give the head for metadata, which are held with it: what is in memory is the same object each time."""
    return wire_head(_metadata_headers(_sha256(body)), len(body))


def _resumed(asked: Asked, stream: Arriving) -> Verdict | Span:
    """Let a client whose connection broke go on with the very stream it had, as long as that stream is under way."""
    if asked.range is None or asked.if_range is None or stream.size is None:
        return Verdict.WHOLE
    if not caching.same(asked.if_range, f'"{stream.tag}"', None):
        return Verdict.WHOLE
    return caching.span(asked.range, stream.size)


def _filename(typed: str) -> str:
    """Check a file name from a path, which was decoded once.

    Raises:
        Declined: 404, since there can be no such file; nobody is asked.
    """
    try:
        names.filename(typed.removesuffix(METADATA))
        return names.filename(typed)
    except Invalid as error:
        raise Declined(Problem(HTTPStatus.NOT_FOUND, str(error))) from error


def _sha256(body: bytes) -> str:
    return sha256(body).hexdigest()
