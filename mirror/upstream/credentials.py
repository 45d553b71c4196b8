"""Which credentials belong to a URL, and the header that carries them.

A connection belongs to every URL under its target: equal scheme, host and port, and the target's whole path segments
as the URL's first ones. The longest target wins. Where there is doubt (a path with `..` in any spelling) none belongs.
"""

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from yarl import URL

from mirror.errors import Invalid
from mirror.upstream.urls import Origin, origin, shown

Category = Literal["PythonFeed", "Git", "Blob"]
AuthType = Literal["PAT", "Basic", "Bearer", "None"]

ANY_USER = "wheelkeep"
"""Azure Artifacts takes any user name with a PAT, as long as there is one."""

_SEPARATORS = re.compile(r"[/\\]")
_DOTS = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class Connection:
    """Credentials for a base URL.

    Attributes:
        name: its name in the configuration, for messages.
        category: what is behind the target.
        target: the base URL; http or https, without user, query and fragment.
        auth_type: how the secret is sent. `PAT`: as a Basic password; `None`: nothing is sent.
        username: for `Basic`; a `PAT` takes any.
        secret: gives the secret of the moment. It may touch the disk, and its exceptions say in one sentence, without the
            value, what is wrong.

    Raises:
        Invalid: the fields do not go together.
    """

    name: str
    category: Category
    target: URL
    auth_type: AuthType
    username: str = ""
    secret: Callable[[], str] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        target = self.target
        if target.scheme not in {"http", "https"} or not target.raw_host:
            raise Invalid(
                f"The target of connection {self.name!r} must begin with http:// or https:// and name a host."
            )
        if "@" in target.raw_authority or target.raw_query_string or target.raw_fragment:
            raise Invalid(
                f"The target of connection {self.name!r} must be a base URL without user, query and fragment."
            )
        if _segments(target) is None:
            raise Invalid(f"The target of connection {self.name!r} has '.' or '..' in its path.")
        if self.auth_type != "None" and self.secret is None:
            raise Invalid(f"Connection {self.name!r} of auth type {self.auth_type} needs a secret.")
        if self.auth_type == "Basic" and (not self.username or ":" in self.username):
            raise Invalid(
                f"Connection {self.name!r} of auth type Basic needs a user name, one without a colon."
            )


class Connections:
    """All connections, ready to be chosen from.

    Raises:
        Invalid: two of them have one target.
    """

    def __init__(self, connections: Iterable[Connection] = ()) -> None:
        self._by_target: dict[tuple[Origin, tuple[str, ...]], Connection] = {}
        for connection in connections:
            segments = _segments(connection.target) or ()
            other = self._by_target.setdefault((origin(connection.target), segments), connection)
            if other is not connection:
                raise Invalid(
                    f"Connections {other.name!r} and {connection.name!r} have one target, {shown(connection.target)}: remove one."
                )

    def choose(self, url: URL) -> Connection | None:
        """Find the connection with the longest target that a URL is under; None when there is none."""
        segments = _segments(url)
        if segments is None:
            return None
        here = origin(url)
        for length in range(len(segments), -1, -1):
            connection = self._by_target.get((here, segments[:length]))
            if connection is not None:
                return connection
        return None


def authorization(connection: Connection) -> str | None:
    """Make the value of the `Authorization` header (RFC 7617, RFC 6750), None when nothing is to be sent.

    It reads the secret, and so may touch the disk: call it in a thread.

    Raises:
        Invalid: the secret cannot be sent as a bearer token.
        Exception: the secret could not be read; whatever `Connection.secret` raises.
    """
    if connection.auth_type == "None" or connection.secret is None:
        return None
    secret = connection.secret()
    if connection.auth_type == "Bearer":
        if not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise Invalid(
                f"The secret of connection {connection.name!r} is not a bearer token: it has odd characters."
            )
        return f"Bearer {secret}"
    user = connection.username or ANY_USER
    return f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode('ascii')}"


def _segments(url: URL) -> tuple[str, ...] | None:
    """Split a path into segments, each decoded once; None when a server could read it as another path."""
    segments = [unquote(segment) for segment in url.raw_path.removeprefix("/").split("/")]
    while segments and not segments[-1]:
        segments.pop()
    if any(_hides_dots(segment) for segment in segments):
        return None
    return tuple(segments)


def _hides_dots(segment: str) -> bool:
    previous = None
    while previous != segment:
        if not _DOTS.isdisjoint(_SEPARATORS.split(segment)):
            return True
        previous, segment = segment, unquote(segment)
    return False
