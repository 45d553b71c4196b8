"""How a feed is laid out and what it can speak: everything about it that is not its content."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from tests.simulator.credentials import Credential, Refusal
from tests.simulator.files import StoredFile, Validator
from tests.simulator.record import Host, Kind

Format = Literal["json", "html"]
Links = Literal["absolute", "relative", "base"]
Redirect = Literal[301, 302, 303, 307, 308]

SIGNED_PATH = "/signed/"
"""Where the file host has what signed URLs point at, followed by the digest and the file name."""


@dataclass(kw_only=True)
class Shape:
    """How a feed is laid out and what it can speak; any of it may be changed while the feed runs.

    Attributes:
        index_path: where its simple index is; some products make `/simple/simple/` of it.
        formats: what its pages can be had in.
        links: how its pages link to files; those on the other host are always linked absolutely.
        files_on: which server has the files: the index's own or the file host.
        files_path: where they are there, followed by the project, for Azure the version, and the file name.
        azure: say only what Azure Artifacts says, and trim `.0` off the version in a file's path.
        signed: redirect each file request with this status to a signed URL on the file host.
        credential: who may read what the index's own server has; None: everybody.
        refusal: how it says no.
        validators: what its answers carry for conditional requests.
        ranges: whether ranges of files can be had.
        heads: whether HEAD is answered for files; else 405.
        gzip_pages: whether pages are compressed for those who accept it.
        api_version: what its pages say.
    """

    index_path: str = "/simple/"
    formats: Collection[Format] = ("json", "html")
    links: Links = "absolute"
    files_on: Host = "index"
    files_path: str = "/files/"
    azure: bool = False
    signed: Redirect | None = None
    credential: Credential | None = None
    refusal: Refusal = "401"
    validators: Collection[Validator] = ("etag", "date")
    ranges: bool = True
    heads: bool = True
    gzip_pages: bool = True
    api_version: str = "1.4"

    def file_path(self, project: str, file: StoredFile) -> str:
        """Give the decoded path of a file on the server that has it."""
        version = f"{_trimmed(file.version)}/" if self.azure else ""
        return f"{self.files_path}{project}/{version}{file.filename}"

    def kind(self, host: Host, path: str) -> Kind:
        """Tell what lives at a path, whether there is such a thing or not."""
        if host == "files" and path.startswith(SIGNED_PATH):
            return "blob"
        if host == self.files_on and path.startswith(self.files_path):
            return "metadata" if path.endswith(".metadata") else "file"
        if host == "index" and path == self.index_path:
            return "list"
        if host == "index" and path.startswith(self.index_path):
            return "page"
        return "other"


def _trimmed(version: str) -> str:
    """Trim as Azure Artifacts does: 2.31.0 is 2.31, 4.0.0 is 4."""
    while version.endswith(".0"):
        version = version.removesuffix(".0")
    return version
