"""Reads the JSON form of the simple API (PEP 691, PEP 700, PEP 740, PEP 792).

What the specification requires must be there and of its type, else the document is refused. Everything optional may be
missing, null or odd. A document that was cut is no JSON any more, so none is ever shorter than it was sent.
"""

from typing import Any, TypeVar

import msgspec

from mirror.errors import Invalid
from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName, filename, project_name
from mirror.simple import fields
from mirror.simple.links import Links, is_plain

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Document = TypeVar("Document")


class _Meta(msgspec.Struct, rename="kebab"):
    api_version: Any = None
    project_status: Any = None
    project_status_reason: Any = None


class _File(msgspec.Struct, rename="kebab", gc=False):
    filename: str
    url: str
    hashes: Any = None
    requires_python: Any = None
    size: Any = None
    upload_time: Any = None
    yanked: Any = None
    core_metadata: Any = None
    dist_info_metadata: Any = None
    data_dist_info_metadata: Any = None
    provenance: Any = None


class _Page(msgspec.Struct, rename="kebab"):
    files: list[_File]
    meta: _Meta | None = None
    name: str | None = None
    versions: Any = None
    project_status: Any = None


class _Project(msgspec.Struct, gc=False):
    name: str


class _List(msgspec.Struct):
    projects: list[_Project]
    meta: _Meta | None = None


_PAGES = msgspec.json.Decoder(_Page)
_LISTS = msgspec.json.Decoder(_List)


def page(body: bytes, *, url: str, project: ProjectName, says_version: bool) -> ProjectPage:
    """Read a project page.

    Args:
        body: the document, whole.
        url: where it came from; its links may be relative to it.
        project: whose page it has to be.
        says_version: whether it must say its version, because nothing else tells that it is a page of the simple API.

    Raises:
        Invalid: it is not such a page, or the page of another project.
    """
    document = _decoded(_PAGES, body)
    meta = _checked(document.meta, says_version=says_version)
    if document.name is not None and project_name(document.name) != project:
        raise Invalid(f"It is the page of another project than {project}.")
    files = _files(document.files, Links(url))
    if document.files and not files:
        raise Invalid(f"None of its {len(document.files)} files has a name and a link that can be used.")
    return ProjectPage(
        name=project,
        files=tuple(files.values()),
        versions=_versions(document.versions),
        status=_status(document.project_status, meta),
    )


def project_list(body: bytes, *, says_version: bool) -> ProjectList:
    """Read a project list; names that are not names are left out.

    Raises:
        Invalid: it is not such a list, or it has entries and none of them is a project.
    """
    document = _decoded(_LISTS, body)
    _checked(document.meta, says_version=says_version)
    names: set[ProjectName] = set()
    for project in document.projects:
        try:
            names.add(project_name(project.name))
        except Invalid:
            continue
    if document.projects and not names:
        raise Invalid(f"None of its {len(document.projects)} entries is the name of a project.")
    return ProjectList(names=tuple(sorted(names)))


def _decoded(decoder: msgspec.json.Decoder[Document], body: bytes) -> Document:
    try:
        return decoder.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Invalid("It is not a JSON document of the simple API, or it was cut off.") from error


def _checked(meta: _Meta | None, *, says_version: bool) -> _Meta:
    found = _Meta() if meta is None else meta
    if says_version and found.api_version is None:
        raise Invalid("It is JSON and does not say that it is of the simple API.")
    fields.check_version(found.api_version)
    return found


def _files(listed: list[_File], links: Links) -> dict[str, File]:
    files: dict[str, File] = {}
    for entry in listed:
        try:
            name = filename(entry.filename)
        except Invalid:
            continue
        url = links.resolve(entry.url) if entry.url else None
        if url is None or name in files:
            continue
        provenance = entry.provenance
        files[name] = File(
            filename=name,
            url=url,
            hashes=fields.digests(entry.hashes),
            requires_python=fields.repeated_text(entry.requires_python),
            size=fields.size(entry.size),
            upload_time=fields.upload_time(entry.upload_time),
            yanked=fields.yanked(entry.yanked),
            core_metadata=fields.core_metadata(
                entry.core_metadata, entry.dist_info_metadata, entry.data_dist_info_metadata
            ),
            provenance=provenance if isinstance(provenance, str) and is_plain(provenance) else None,
        )
    return files


def _versions(listed: object) -> tuple[str, ...] | None:
    if not isinstance(listed, list):
        return None
    cleaned = (fields.text(version) for version in listed)
    return tuple(dict.fromkeys(version for version in cleaned if version is not None))


def _status(told: object, meta: _Meta) -> ProjectStatus | None:
    """Read the status from where the specification has it, else from where its example has it."""
    if isinstance(told, dict):
        return fields.status(told.get("status"), told.get("reason"))
    return fields.status(meta.project_status, meta.project_status_reason)
