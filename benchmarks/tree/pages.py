"""Writes the pages of the upstream in both forms, and compressed beside them, as a static server wants them.

HTML as PEP 503 with the attributes of PEP 658 and 714; JSON as PEP 691 and 700, version 1.1.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_UPLOADED = "2026-01-02T03:04:05.678901Z"
_PYTHON = ">=3.9"
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class Listed:
    """A file as a page lists it.

    Attributes:
        filename: its name.
        size: in bytes.
        sha256: in hexadecimal.
        metadata: the digest of its core metadata, when that is beside it.
    """

    filename: str
    size: int
    sha256: str
    metadata: str | None = None

    @property
    def version(self) -> str:
        """The second part of a wheel's name."""
        return self.filename.split("-")[1]


def write_project(simple: Path, project: str, files: Sequence[Listed]) -> None:
    """Write a project page below the folder of an index."""
    html = "".join(f"{_link(project, file)}<br>\n" for file in files)
    versions = list(dict.fromkeys(file.version for file in files))
    meta = {"api-version": "1.1"}
    document = {
        "meta": meta,
        "name": project,
        "versions": versions,
        "files": [_entry(project, file) for file in files],
    }
    _write(simple / project, f"Links for {project}", html, document)


def write_list(simple: Path, names: Iterable[str]) -> None:
    """Write the project list of an index."""
    known = list(names)
    html = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in known)
    document = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in known]}
    _write(simple, "Simple index", html, document)


def _link(project: str, file: Listed) -> str:
    metadata = f' data-core-metadata="sha256={file.metadata}"' if file.metadata else ""
    url = f"{_url(project, file)}#sha256={file.sha256}"
    return f'<a href="{url}" data-requires-python="{escape(_PYTHON)}"{metadata}>{file.filename}</a>'


def _entry(project: str, file: Listed) -> dict[str, object]:
    return {
        "filename": file.filename,
        "url": _url(project, file),
        "hashes": {"sha256": file.sha256},
        "requires-python": _PYTHON,
        "size": file.size,
        "upload-time": _UPLOADED,
        "yanked": False,
        "core-metadata": {"sha256": file.metadata} if file.metadata else False,
    }


def _url(project: str, file: Listed) -> str:
    return f"../../files/{project}/{file.filename}"


def _write(folder: Path, title: str, links: str, document: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    meta = '<meta name="pypi:repository-version" content="1.1">'
    html = f"<!DOCTYPE html>\n<html><head>{meta}<title>{title}</title></head><body>\n{links}</body></html>\n"
    for name, text in (("index.html", html), ("index.json", json.dumps(document, separators=(",", ":")))):
        data = text.encode()
        (folder / name).write_bytes(data)
        (folder / f"{name}.gz").write_bytes(gzip.compress(data, _GZIP_LEVEL, mtime=0))
