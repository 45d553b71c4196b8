"""The values that move between the rooms: frozen, plain, and each field with the sentence that justifies it.

Essential reading, in this order: PEP 503 (pages), PEP 592 (yanked), PEP 691 (JSON), PEP 658 and 714 (core metadata),
PEP 700 (versions, size, upload-time), PEP 740 (provenance), PEP 792 (project status).
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from mirror.names import ProjectName, Sha256


class File(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One distribution file as its source lists it."""

    filename: str
    """PEP 503: the text of the anchor is the file name, and so is the last segment of its URL."""
    url: str
    """Where the upstream keeps it: absolute, without fragment. Never shown to a client. Empty: no upstream has it."""
    hashes: Mapping[str, str] = {}
    """PEP 691: algorithm (lower case, a name of `hashlib`) to hexadecimal digest; may be empty."""
    requires_python: str | None = None
    """PEP 345 through PEP 503: a version specifier, unescaped."""
    size: int | None = None
    """PEP 700: bytes."""
    upload_time: str | None = None
    """PEP 700: `yyyy-mm-ddThh:mm:ss[.ffffff]Z`, as the upstream wrote it."""
    yanked: bool | str = False
    """PEP 592: True, or the reason (never empty)."""
    core_metadata: bool | Mapping[str, str] = False
    """PEP 714: whether `<url>.metadata` exists; with its hashes where they are known (never an empty mapping)."""
    provenance: str | None = None
    """PEP 740: the absolute URL of the file's provenance object."""

    @property
    def sha256(self) -> Sha256 | None:
        """The digest that identifies the file's bytes, where the source told it."""
        digest = self.hashes.get("sha256")
        return None if digest is None else Sha256(digest)


class ProjectStatus(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """PEP 792: the status marker of a project."""

    status: str
    """One of active, archived, quarantined, deprecated; others are carried as they are."""
    reason: str | None = None


class ProjectPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one source says about one project."""

    name: ProjectName
    files: tuple[File, ...] = ()
    """In the order of the source; file names are unique."""
    versions: tuple[str, ...] | None = None
    """PEP 700: all versions, also those without a file; None when the source does not tell (HTML)."""
    status: ProjectStatus | None = None

    def file(self, filename: str) -> File | None:
        """Find one file by its name; None when the project has no such file."""
        return next((file for file in self.files if file.filename == filename), None)


class ProjectList(msgspec.Struct, frozen=True, kw_only=True):
    """The names that one source, or one index, knows: normalized, unique, sorted."""

    names: tuple[ProjectName, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A page with what a client and an operator want to know about it."""

    page: ProjectPage
    source: str
    """The name of the source that answered, alone."""
    stale_seconds: int | None = None
    """Set when the source could not be asked and this is what it said so many seconds ago."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A project list with the same marks as an `Answer`."""

    projects: ProjectList
    stale_seconds: int | None = None


class FileRef(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was located: enough to fetch it, verify it and name it, without asking the index again."""

    source: str
    """The source that lists it."""
    project: ProjectName
    file: File
    reachable: bool = True
    """False in an index that is offline: what is not held here must not be fetched."""


class Learned(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the bytes of a held file taught us, where its source did not say it."""

    sha256: Sha256
    size: int
    """Bytes."""
    metadata_sha256: Sha256 | None = None
    """Of a wheel's METADATA, byte for byte as the archive holds it."""


class HeldFile(msgspec.Struct, frozen=True, kw_only=True):
    """A verified file on the local disk."""

    path: Path
    sha256: Sha256
    size: int
    """Bytes."""
    modified: float
    """Unix seconds, whole: when it was committed here. Last-Modified and If-Range dates are made of it."""
    body: bytes | None = None
    """All of it, where it is small and held in memory too."""
