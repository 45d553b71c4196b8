"""Reads the HTML form of the simple API (PEP 503, 592, 629, 714, 740, 792), and what real servers make of it.

Nothing in HTML says "this is a project without files": that is believed only of a page that marks itself as an index. A
page whose links lead to anything but distribution files is not an index.
"""

import re
from collections.abc import Mapping

from mirror.errors import Invalid
from mirror.model import File, ProjectList, ProjectPage
from mirror.names import ProjectName, filename, is_distribution, project_name
from mirror.simple import fields
from mirror.simple.html_document import HtmlDocument
from mirror.simple.links import is_plain, last_segment

_VERSION = "pypi:repository-version"
_STATUS = "pypi:project-status"
_STATUS_REASON = "pypi:project-status-reason"
_LINKS_FOR = re.compile(r"links for\b", re.IGNORECASE)
_SIMPLE_INDEX = re.compile(r"simple\b|links for\b", re.IGNORECASE)
_VARIANTS = "-variants.json"
"""PEP 825: what a project's wheel variants are is listed among its files."""
_FOLDER = re.compile(r"[^/:?#]+/\Z")
_MOST_DIGITS = 19

_Attributes = Mapping[str, str | None]


def page(body: bytes, *, url: str, project: ProjectName) -> ProjectPage:
    """Read a project page.

    Args:
        body: the document, whole.
        url: where it came from; its links may be relative to it.
        project: whose page it is.

    Raises:
        Invalid: it is cut off, wrongly versioned, or not a project page.
    """
    document = HtmlDocument(body)
    metas = _versioned(document)
    links = document.links(url)
    anchors = 0
    files: dict[str, File] = {}
    for attributes, text in document.anchors():
        href = attributes.get("href")
        if not href:
            continue
        anchors += 1
        name = _distribution(text.strip()) or _distribution(last_segment(href))
        if name is not None and name not in files:
            target = links.resolve(href)
            if target is not None:
                files[name] = _file(name, target, href, attributes)
    if not files:
        _check_empty(document, metas, anchors, _LINKS_FOR)
    return ProjectPage(
        name=project,
        files=tuple(files.values()),
        status=fields.status(metas.get(_STATUS), metas.get(_STATUS_REASON)),
    )


def project_list(body: bytes, *, url: str) -> ProjectList:
    """Read a project list; links that lead to no project are left out.

    Args:
        body: the document, whole.
        url: where it came from.

    Raises:
        Invalid: it is cut off, wrongly versioned, or not a project list.
    """
    document = HtmlDocument(body)
    metas = _versioned(document)
    links = document.links(url)
    anchors = 0
    names: set[ProjectName] = set()
    for attributes, text in document.anchors():
        href = attributes.get("href")
        if href:
            anchors += 1
            name = _listed(href, text)
            if name is not None and links.resolve(href) is not None:
                names.add(name)
    if not names:
        _check_empty(document, metas, anchors, _SIMPLE_INDEX)
    return ProjectList(names=tuple(sorted(names)))


def _versioned(document: HtmlDocument) -> dict[str, str]:
    metas = document.metas()
    fields.check_version(metas.get(_VERSION))
    return metas


def _check_empty(
    document: HtmlDocument, metas: Mapping[str, str], anchors: int, title: re.Pattern[str]
) -> None:
    if anchors:
        raise Invalid(f"It is not a simple index: none of its {anchors} links leads to what an index lists.")
    if _VERSION not in metas and _STATUS not in metas and not any(map(title.match, document.headings())):
        raise Invalid(
            "It is not a simple index: it has no link, and nothing marks it as an index that is empty."
        )


def _distribution(raw: str) -> str | None:
    """Give a name that is safe and ends like that of a distribution file, else None."""
    if not (is_distribution(raw) or raw.endswith(_VARIANTS)):
        return None
    try:
        return filename(raw)
    except Invalid:
        return None


def _file(name: str, url: str, href: str, attributes: _Attributes) -> File:
    written_size = attributes.get("data-size")
    provenance = attributes.get("data-provenance")
    return File(
        filename=name,
        url=url,
        hashes=fields.digests_in(href.partition("#")[2]),
        requires_python=fields.repeated_text(attributes.get("data-requires-python")),
        size=fields.size(_whole_number(written_size)) if written_size else None,
        upload_time=fields.upload_time(attributes.get("data-upload-time")),
        yanked="data-yanked" in attributes and (fields.repeated_text(attributes["data-yanked"]) or True),
        core_metadata=fields.core_metadata(
            attributes.get("data-core-metadata") or attributes.get("data-dist-info-metadata")
        ),
        provenance=provenance if provenance and is_plain(provenance) else None,
    )


def _whole_number(digits: str) -> int | None:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


def _listed(href: str, text: str) -> ProjectName | None:
    """Give the project that an anchor leads to: a folder beside the list, or a link that ends in what its text says."""
    path = href.partition("#")[0].partition("?")[0]
    try:
        segment = last_segment(path.removesuffix("/"))
        name = project_name(segment)
        shown = text.strip()
        return name if shown == segment or _FOLDER.match(href) or project_name(shown) == name else None
    except Invalid:
        return None
