"""What the simulator was asked, kept so that tests can count it and look for what should not be in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["list", "page", "file", "blob", "metadata", "other"]
"""A `blob` is what a signed URL of a file points at: a file behind a redirect is asked as `file`, then as `blob`."""
Host = Literal["index", "files"]


@dataclass(slots=True)
class Asked:
    """One request, and what became of it.

    Attributes:
        method: as sent, e.g. `GET`.
        host: which of the two servers was asked.
        path: decoded, without the query.
        query: as sent, without `?`.
        headers: as sent; names are looked up without regard to case.
        kind: what lives at the path.
        peer: the port that it came from: one a connection.
        status: of the answer; 0 until it has begun.
        sent: bytes of the body that were written so far.
        whole: whether the answer was written to its planned end.
    """

    method: str
    host: Host
    path: str
    query: str
    headers: Mapping[str, str]
    kind: Kind
    peer: int = 0
    status: int = 0
    sent: int = 0
    whole: bool = False

    @property
    def authorization(self) -> str | None:
        """The credentials that came with the request."""
        return self.headers.get("Authorization")
