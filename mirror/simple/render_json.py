"""Writes the JSON form (PEP 691, PEP 700, PEP 714, PEP 740, PEP 792)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName
from mirror.simple import offered

_SIZELESS_API_VERSION: Final = "1.0"
"""PEP 700: from 1.1 on every file must have a size, and the versions must be listed."""


class _Meta(msgspec.Struct, rename="kebab", gc=False):
    api_version: str


class _File(msgspec.Struct, rename="kebab", gc=False, omit_defaults=True):
    filename: str
    url: str
    hashes: Mapping[str, str]
    requires_python: str | None = None
    size: int | None = None
    upload_time: str | None = None
    yanked: bool | str = False
    core_metadata: bool | Mapping[str, str] = False
    dist_info_metadata: bool | Mapping[str, str] = False
    provenance: str | None = None


class _Page(msgspec.Struct, rename="kebab", omit_defaults=True):
    meta: _Meta
    name: ProjectName
    files: list[_File]
    versions: tuple[str, ...] | None = None
    project_status: ProjectStatus | None = None


class _Project(msgspec.Struct, gc=False):
    name: ProjectName


def project_page(page: ProjectPage, file_base: str) -> bytes:
    """Write a project page."""
    files = offered.files(page)
    is_complete = page.versions is not None and all(file.size is not None for file in files)
    return _encoded(
        _Page(
            meta=_Meta(api_version=offered.API_VERSION if is_complete else _SIZELESS_API_VERSION),
            name=page.name,
            files=[_file(file, offered.link(file_base, page.name, file)) for file in files],
            versions=page.versions,
            project_status=page.status,
        )
    )


def project_list(projects: ProjectList) -> bytes:
    """Write the project list."""
    meta = _encoded(_Meta(api_version=offered.API_VERSION))
    pieces = [_encoded([_Project(name) for name in names])[1:-1] for names in offered.batches(projects.names)]
    return b'{"meta":%b,"projects":[%b]}' % (meta, b",".join(pieces))


def _file(file: File, link: str) -> _File:
    core_metadata = offered.core_metadata(file)
    return _File(
        filename=file.filename,
        url=link,
        hashes=offered.hashes(file),
        requires_python=file.requires_python,
        size=file.size,
        upload_time=file.upload_time,
        yanked=file.yanked,
        core_metadata=core_metadata,
        dist_info_metadata=core_metadata,
        provenance=file.provenance,
    )


def _encoded(value: object) -> bytes:
    """Encode, with `<` escaped: it stands in strings only, and nothing that sniffs at the bytes sees markup."""
    return msgspec.json.encode(value).replace(b"<", b"\\u003c")
