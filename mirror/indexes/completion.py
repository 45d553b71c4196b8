"""Completing a page by what was learned from the bytes of its files. Pure.

A feed that lists no digests, no sizes and no core metadata (Azure Artifacts does not) becomes one that does, file by
file, as they are fetched. What the upstream says itself is never replaced, but for the core metadata of a wheel whose
own bytes say otherwise.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from mirror.model import File, Learned, ProjectPage
from mirror.names import is_wheel


def completed(page: ProjectPage, learned: Mapping[str, Learned]) -> ProjectPage:
    """Fill in what the upstream did not say; the very same page when nothing is to be filled in."""
    if not learned:
        return page
    files = tuple(_filled(file, learned.get(file.filename)) for file in page.files)
    if all(filled is file for filled, file in zip(files, page.files, strict=True)):
        return page
    return replace(page, files=files)


def _filled(file: File, facts: Learned | None) -> File:
    if facts is None or file.sha256 not in {None, facts.sha256}:
        return file
    changes: dict[str, object] = {}
    if file.sha256 is None:
        changes["hashes"] = {**file.hashes, "sha256": facts.sha256}
    if file.size is None:
        changes["size"] = facts.size
    if is_wheel(file.filename):
        told = file.core_metadata
        if not isinstance(told, Mapping) or told.get("sha256") != facts.metadata_sha256:
            # The verified wheel is the truth: clients refuse metadata that is not what was announced.
            read = False if facts.metadata_sha256 is None else {"sha256": facts.metadata_sha256}
            if told != read:
                changes["core_metadata"] = read
    return replace(file, **changes) if changes else file
