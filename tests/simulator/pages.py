"""The pages of a feed: HTML as in PEP 503 and its followers, JSON as in PEP 691 and its followers."""

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from tests.simulator.files import StoredFile

HTML = "text/html; charset=utf-8"
JSON = "application/vnd.pypi.simple.v1+json"

Href = Callable[[StoredFile], str]
"""From a file to what the page links it by, without fragment."""


def project_html(
    name: str,
    files: Iterable[StoredFile],
    href: Href,
    *,
    version: str = "1.4",
    base: str | None = None,
    status: Mapping[str, str] | None = None,
    bare: bool = False,
) -> bytes:
    """Render a project page.

    Args:
        name: of the project.
        files: in the order in which they are listed.
        href: gives the link of each.
        version: of the API, in the `pypi:repository-version` element.
        base: where `href` is relative to, when that is not the page.
        status: PEP 792.
        bare: say only what Azure Artifacts says: links, hashes and requires-python.
    """
    metas = {} if bare else {"pypi:repository-version": version, **_status_metas(status or {})}
    head = "".join(f'<meta name="{key}" content="{escape(value)}">' for key, value in metas.items())
    if base is not None:
        head += f'<base href="{escape(base)}">'
    anchors = "\n".join(_anchor(file, href(file), bare=bare) + "<br>" for file in files)
    title = f"<title>Links for {escape(name)}</title>"
    return (
        f"<!DOCTYPE html>\n<html><head>{head}{title}</head><body>\n<h1>Links for {escape(name)}</h1>\n"
        f"{anchors}\n</body></html>\n"
    ).encode()


def project_json(
    name: str,
    files: Iterable[StoredFile],
    href: Href,
    *,
    version: str = "1.4",
    status: Mapping[str, str] | None = None,
) -> bytes:
    """Render a project page; the arguments are those of `project_html`."""
    listed = tuple(files)
    page: dict[str, Any] = {
        "meta": {"api-version": version},
        "name": name,
        "versions": sorted({file.version for file in listed}),
        "files": [_file(file, href(file)) for file in listed],
    }
    if status:
        page["project-status"] = dict(status)
    return json.dumps(page).encode()


def list_html(names: Iterable[str], *, version: str = "1.4") -> bytes:
    """Render the project list."""
    anchors = "\n".join(f'<a href="{escape(name)}/">{escape(name)}</a><br>' for name in names)
    meta = f'<meta name="pypi:repository-version" content="{escape(version)}">'
    return f"<!DOCTYPE html>\n<html><head>{meta}<title>Simple index</title></head><body>\n{anchors}\n</body></html>\n".encode()


def list_json(names: Iterable[str], *, version: str = "1.4") -> bytes:
    """Render the project list."""
    projects = [{"name": name} for name in names]
    return json.dumps({"meta": {"api-version": version}, "projects": projects}).encode()


def _anchor(file: StoredFile, href: str, *, bare: bool) -> str:
    attributes = {} if file.requires_python is None else {"data-requires-python": file.requires_python}
    if not bare:
        attributes |= _more_attributes(file)
    told = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    fragment = next((f"#{name}={value}" for name, value in (file.hashes or {}).items()), "")
    return f'<a href="{escape(href)}{fragment}"{told}>{escape(file.filename)}</a>'


def _more_attributes(file: StoredFile) -> dict[str, str]:
    attributes = {}
    if file.yanked is not False:
        attributes["data-yanked"] = "" if file.yanked is True else file.yanked
    if file.core_metadata:
        told = _hash_or_true(file.core_metadata)
        attributes |= {"data-core-metadata": told, "data-dist-info-metadata": told}
    if file.provenance is not None:
        attributes["data-provenance"] = file.provenance
    return attributes


def _hash_or_true(told: bool | Mapping[str, str]) -> str:  # noqa: FBT001 (the value is what the field of PEP 714 holds)
    return "true" if isinstance(told, bool) else next(f"{name}={value}" for name, value in told.items())


def _status_metas(status: Mapping[str, str]) -> dict[str, str]:
    metas = {"status": "pypi:project-status", "reason": "pypi:project-status-reason"}
    return {metas[key]: value for key, value in status.items()}


def _file(file: StoredFile, href: str) -> dict[str, Any]:
    told = {
        "filename": file.filename,
        "url": href,
        "hashes": dict(file.hashes or {}),
        "requires-python": file.requires_python,
        "size": file.size,
        "upload-time": file.upload_time,
        "yanked": file.yanked,
        "core-metadata": file.core_metadata,
        "provenance": file.provenance,
    }
    return {key: value for key, value in told.items() if value is not None}
