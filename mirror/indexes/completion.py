"""Completing a page by what was learned from the bytes of its files. Pure.

A feed that lists no digests, no sizes and no core metadata (Azure Artifacts does not) becomes one that does, file by
file, as they are fetched. What the upstream says itself is never replaced.
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
    if facts.metadata_sha256 is not None and is_wheel(file.filename):
        told = file.core_metadata if isinstance(file.core_metadata, Mapping) else {}
        if "sha256" not in told:
            changes["core_metadata"] = {**told, "sha256": facts.metadata_sha256}
    return replace(file, **changes) if changes else file
