"""Writes the HTML form (PEP 503, PEP 592, PEP 714, PEP 740, PEP 792): one anchor for each file and no other.

pip and others collect every anchor, so that there is no navigation. Every value is escaped. The bytes are ASCII, for no
client has to be told their encoding then.
"""

from collections.abc import Iterable, Iterator
from html import escape

from mirror.model import File, ProjectList, ProjectPage
from mirror.simple import offered


def project_page(page: ProjectPage, file_base: str) -> bytes:
    """Write a project page."""
    metas = []
    if page.status is not None:
        metas.append(_meta("pypi:project-status", page.status.status))
        if page.status.reason is not None:
            metas.append(_meta("pypi:project-status-reason", page.status.reason))
    anchors = (_anchor(file, offered.link(file_base, page.name, file)) for file in offered.files(page))
    return _document(f"Links for {page.name}", metas, anchors)


def project_list(projects: ProjectList) -> bytes:
    """Write the project list."""
    pieces = (
        "".join(f'<a href="{escape(name)}/">{escape(name)}</a><br>\n' for name in names)
        for names in offered.batches(projects.names)
    )
    return _document("Simple index", (), pieces)


def _document(title: str, metas: Iterable[str], anchors: Iterable[str]) -> bytes:
    document = bytearray()
    for piece in _pieces(title, metas, anchors):
        document += piece.encode("ascii", "xmlcharrefreplace")
    return bytes(document)


def _pieces(title: str, metas: Iterable[str], anchors: Iterable[str]) -> Iterator[str]:
    yield "<!DOCTYPE html>\n<html>\n<head>\n"
    yield _meta("pypi:repository-version", offered.API_VERSION)
    yield from metas
    yield f"<title>{escape(title)}</title>\n</head>\n<body>\n"
    yield from anchors
    yield "</body>\n</html>\n"


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{escape(content)}">\n'


def _anchor(file: File, link: str) -> str:
    fragment = "".join(f"#{algorithm}={digest}" for algorithm, digest in offered.hashes(file).items())
    attributes = "".join(
        f' {name}="{escape(value)}"' for name, value in _attributes(file) if value is not None
    )
    return f'<a href="{escape(link + fragment)}"{attributes}>{escape(file.filename)}</a><br>\n'


def _attributes(file: File) -> Iterator[tuple[str, str | None]]:
    yield "data-requires-python", file.requires_python
    if file.yanked:
        yield "data-yanked", "" if file.yanked is True else file.yanked
    metadata = offered.core_metadata(file)
    if metadata:
        claim = "true" if metadata is True else f"sha256={metadata['sha256']}"
        yield "data-core-metadata", claim
        yield "data-dist-info-metadata", claim
    yield "data-provenance", file.provenance
    if file.size is not None:
        yield "data-size", str(file.size)
    yield "data-upload-time", file.upload_time
