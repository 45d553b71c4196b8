"""Honest answers: what a feed says to a request when nothing goes wrong. Pure: state in, answer out."""

import gzip
import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.simulator import pages
from tests.simulator.credentials import SIGN_IN_PATH, refusal
from tests.simulator.faults import SIGN_IN_PAGE
from tests.simulator.files import StoredFile, content, digest
from tests.simulator.record import Asked
from tests.simulator.replies import Reply
from tests.simulator.shape import SIGNED_PATH, Format, Shape

FILE = {"Content-Type": "application/octet-stream"}
NOT_FOUND = Reply(status=404, headers={"Content-Type": "text/plain"}, body=b"404 Not Found\n")


@dataclass
class Project:
    """What a feed holds of one project.

    Attributes:
        files: by name, in the order of the page.
        status: PEP 792, e.g. `{"status": "archived"}`.
        formats: what its page can be had in; None: what the feed speaks.
    """

    files: dict[str, StoredFile] = field(default_factory=dict)
    status: Mapping[str, str] | None = None
    formats: Collection[Format] | None = None


@dataclass
class Content:
    """What a feed holds, and where its two servers are.

    Attributes:
        projects: by normalized name.
        index: the origin of the index, e.g. `http://127.0.0.1:4001`.
        files: the origin of the file host.
        signature: what opens a signed URL at present.
    """

    projects: dict[str, Project] = field(default_factory=dict)
    index: str = ""
    files: str = ""
    signature: str = "sig-1"


def answer(shape: Shape, held: Content, asked: Asked) -> Reply:
    """Answer a request."""
    if asked.path == SIGN_IN_PATH:
        return Reply(headers={"Content-Type": pages.HTML}, body=SIGN_IN_PAGE)
    if asked.host == "index" and shape.credential and not shape.credential.admits(asked.authorization):
        return refusal(shape.refusal)
    if asked.kind == "list":
        return _list(shape, held, asked)
    if asked.kind == "page":
        return _page(shape, held, asked)
    if asked.kind == "blob":
        return _blob(shape, held, asked)
    return _file(shape, held, asked)


def normalized(name: str) -> str:
    """Normalize a project's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _list(shape: Shape, held: Content, asked: Asked) -> Reply:
    render, form = (
        (pages.list_json, pages.JSON) if _wants_json(shape.formats, asked) else (pages.list_html, pages.HTML)
    )
    return _rendered(shape, asked, render(sorted(held.projects), version=shape.api_version), form)


def _page(shape: Shape, held: Content, asked: Asked) -> Reply:
    name = asked.path.removeprefix(shape.index_path)
    proper = f"{normalized(name.removesuffix('/'))}/"
    if name != proper:
        return Reply(status=302, headers={"Location": quote(shape.index_path + proper)})
    project = held.projects.get(proper.removesuffix("/"))
    if project is None:
        return NOT_FOUND
    return _project(shape, held, asked, project, proper.removesuffix("/"))


def _project(shape: Shape, held: Content, asked: Asked, project: Project, name: str) -> Reply:
    def href(file: StoredFile) -> str:
        return file.url if file.url is not None else _href(shape, held, name, file)

    files = tuple(project.files.values())
    if _wants_json(shape.formats if project.formats is None else project.formats, asked):
        page = pages.project_json(name, files, href, version=shape.api_version, status=project.status)
        return _rendered(shape, asked, page, pages.JSON)
    base = _origin(shape, held) + quote(shape.files_path) if shape.links == "base" else None
    page = pages.project_html(
        name, files, href, version=shape.api_version, base=base, status=project.status, bare=shape.azure
    )
    return _rendered(shape, asked, page, pages.HTML)


def _rendered(shape: Shape, asked: Asked, page: bytes, content_type: str) -> Reply:
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if shape.gzip_pages and "gzip" in asked.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        page = gzip.compress(page, mtime=0)
    return content(page, asked.headers, headers=headers, ranges=False, validators=shape.validators)


def _wants_json(formats: Collection[Format], asked: Asked) -> bool:
    """Negotiate simply: JSON for those who name it, and for everybody where there is nothing else."""
    return "json" in formats and ("html" not in formats or pages.JSON in asked.headers.get("Accept", ""))


def _file(shape: Shape, held: Content, asked: Asked) -> Reply:
    found = _find(shape, held, asked.path)
    if found is None:
        return NOT_FOUND
    if asked.kind == "metadata":
        absent = found.metadata is None or shape.azure
        return NOT_FOUND if absent else _bytes(shape, asked, found.metadata or b"")
    if asked.method == "HEAD" and not shape.heads:
        return Reply(status=405, headers={"Allow": "GET"})
    if shape.signed is not None:
        where = f"{held.files}{SIGNED_PATH}{digest(found.data)}/{quote(found.filename)}"
        signed = f"{where}?sv=2025-11-05&sr=b&sp=r&sig={held.signature}"
        return Reply(status=shape.signed, headers={"Location": signed, "Cache-Control": "no-store"})
    return _bytes(shape, asked, found.data)


def _blob(shape: Shape, held: Content, asked: Asked) -> Reply:
    """Answer as blob storage: a signature opens it, and credentials beside the signature are refused."""
    if f"sig={held.signature}" not in asked.query.split("&"):
        return Reply(status=403, body=b"<Error><Code>AuthenticationFailed</Code></Error>")
    if asked.authorization is not None:
        return Reply(status=400, body=b"<Error><Code>InvalidAuthenticationInfo</Code></Error>")
    wanted = asked.path.removeprefix(SIGNED_PATH).partition("/")[0]
    files = (file for project in held.projects.values() for file in project.files.values())
    data = next((file.data for file in files if digest(file.data) == wanted), None)
    return NOT_FOUND if data is None else _bytes(shape, asked, data)


def _bytes(shape: Shape, asked: Asked, data: bytes) -> Reply:
    # A blob has validators also where the feed in front of it has none.
    validators = ("etag", "date") if asked.kind == "blob" else tuple(shape.validators)
    return content(data, asked.headers, headers=FILE, ranges=shape.ranges, validators=validators)


def _find(shape: Shape, held: Content, path: str) -> StoredFile | None:
    wanted = path.removesuffix(".metadata")
    return next(
        (
            file
            for name, project in held.projects.items()
            for file in project.files.values()
            if shape.file_path(name, file) == wanted
        ),
        None,
    )


def _href(shape: Shape, held: Content, project: str, file: StoredFile) -> str:
    path = quote(shape.file_path(project, file))
    if shape.links == "base":
        return path.removeprefix(quote(shape.files_path))
    if shape.links == "relative" and shape.files_on == "index":
        return posixpath.relpath(path, f"{shape.index_path}{project}")
    return _origin(shape, held) + path


def _origin(shape: Shape, held: Content) -> str:
    return held.index if shape.files_on == "index" else held.files
