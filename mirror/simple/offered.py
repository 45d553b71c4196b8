"""What of a page is shown to clients, in either form."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from mirror.model import File, ProjectPage
from mirror.names import ProjectName, is_wheel

API_VERSION: Final = "1.4"
"""The newest version that is spoken; that of the HTML form for ever (PEP 833)."""
NAMES_AT_ONCE: Final = 4096
"""Of a project list, what is written in one go."""

_QUARANTINED = "quarantined"
_STRONG_ENOUGH = ("sha256", "sha512", "sha384")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+\Z")
"""RFC 3986 section 2.3: nothing in it has to be encoded."""


def files(page: ProjectPage) -> tuple[File, ...]:
    """Give the files to offer: none of a quarantined project (PEP 792)."""
    is_quarantined = page.status is not None and page.status.status.lower() == _QUARANTINED
    return () if is_quarantined else page.files


def link(file_base: str, project: ProjectName, file: File) -> str:
    """Give a file's link; a `+` becomes `%2B`, for some take it for a space."""
    name = file.filename
    return f"{file_base}{project}/{name if _UNRESERVED.match(name) else quote(name)}"


def hashes(file: File) -> Mapping[str, str]:
    """Give the one hash to show: SHA-256, else the strongest of its family; none that is weak or read in two ways.

    pip takes a file when any one of the listed hashes matches, so that a second one could only weaken the first.
    """
    known = file.hashes
    for name in _STRONG_ENOUGH:
        if name in known:
            return known if len(known) == 1 else {name: known[name]}
    return {}


def core_metadata(file: File) -> bool | Mapping[str, str]:
    """Give the claim that a metadata file is beside the file, with its hash where it is known; of wheels only."""
    claim = file.core_metadata
    if not claim or not is_wheel(file.filename):
        return False
    if claim is True or "sha256" not in claim:
        return True
    return claim if len(claim) == 1 else {"sha256": claim["sha256"]}


def batches(names: tuple[ProjectName, ...]) -> Iterator[tuple[ProjectName, ...]]:
    """Cut a project list into pieces."""
    return (names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE))
