"""What of a page is shown to clients, in either form."""

from collections.abc import Iterator
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


def files(page: ProjectPage) -> tuple[File, ...]:
    """Give the files to offer: none of a quarantined project (PEP 792)."""
    is_quarantined = page.status is not None and page.status.status.lower() == _QUARANTINED
    return () if is_quarantined else page.files


def link(file_base: str, project: ProjectName, file: File) -> str:
    """Give a file's link; a `+` becomes `%2B`, for some take it for a space."""
    return f"{file_base}{project}/{quote(file.filename)}"


def hashes(file: File) -> dict[str, str]:
    """Give the one hash to show: SHA-256, else the strongest of its family; none that is weak or read in two ways.

    pip takes a file when any one of the listed hashes matches, so that a second one could only weaken the first.
    """
    return next(({name: file.hashes[name]} for name in _STRONG_ENOUGH if name in file.hashes), {})


def core_metadata(file: File) -> bool | dict[str, str]:
    """Give the claim that a metadata file is beside the file, with its hash where it is known; of wheels only."""
    if not file.core_metadata or not is_wheel(file.filename):
        return False
    digest = None if file.core_metadata is True else file.core_metadata.get("sha256")
    return True if digest is None else {"sha256": digest}


def batches(names: tuple[ProjectName, ...]) -> Iterator[tuple[ProjectName, ...]]:
    """Cut a project list into pieces."""
    return (names[start : start + NAMES_AT_ONCE] for start in range(0, len(names), NAMES_AT_ONCE))
