"""The grammar of single values: names, base URLs, file hosts, store URLs. Pure; each refusal is the tail of a sentence.

A `ValueError` from here reads well behind the place of the value ("[server] public_url in wheelkeep.toml ...") and never
repeats a URL, because a URL may hold a secret that its writer put in the wrong place.
"""

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

RESERVED_INDEX_NAMES = frozenset(
    {"simple", "files", "legacy", "healthz", "readyz", "metrics", "api", "via", "static"}
)
"""First segments of paths that wheelkeep serves itself; an index of that name could not be reached."""

PRIVATE = "private"
"""The source that holds what was published to wheelkeep itself."""
PUBLIC = "public"
"""The built-in upstream: the public index that this machine's own configuration names."""

ANY_HOST = "*"
"""In `file_hosts`: every host, as long as its address is a public one."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
_FILE_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:*\[\]\\]+)(:(?P<port>[0-9]{1,5}))?\Z")
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535


def name(raw: str) -> str:
    """Check the name of an upstream, a connection or an index: it stands in paths, metrics and messages."""
    if not _NAME.match(raw):
        raise ValueError(
            "must be 1 to 63 lower-case letters, digits, '_' and '-', and begin with a letter or digit"
        )
    return raw


def upstream_name(raw: str) -> str:
    """Check the name of an upstream: `private` is taken."""
    if raw == PRIVATE:
        raise ValueError(f"must not be '{PRIVATE}': that source holds what is published to wheelkeep itself")
    return name(raw)


def index_name(raw: str) -> str:
    """Check the name of an index: it is the first segment of its paths."""
    if raw in RESERVED_INDEX_NAMES:
        raise ValueError(
            f"must not be '{raw}': wheelkeep serves /{raw} itself, so choose another name for the index"
        )
    return name(raw)


def variable(raw: str) -> str:
    """Check the name of an environment variable (POSIX, Base Definitions 8.1: upper case, digits, `_`).

    The narrow grammar catches the mistake of writing the secret itself where its variable's name belongs.
    """
    if not _VARIABLE.match(raw):
        raise ValueError(
            "must be the name of an environment variable (upper-case letters, digits and '_'), not the secret itself"
        )
    return raw


def username(raw: str) -> str:
    """Check a user name: Basic authentication cannot carry a colon in it (RFC 7617 section 2)."""
    if ":" in raw or _BLANK_OR_CONTROL.search(raw):
        raise ValueError(
            "must hold no colon, blank or control character, which Basic authentication cannot carry"
        )
    return raw


def split_url(raw: str) -> SplitResult:
    """Split an absolute http or https URL with a host, which may still have userinfo, query and fragment.

    Raises:
        ValueError: it is not one.
    """
    wanted = "must be a whole URL such as https://feeds.example.com/org/"
    if _BLANK_OR_CONTROL.search(raw):
        raise ValueError(wanted)
    try:
        parts = urlsplit(raw)
        sound = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # Not "from" the cause: its text quotes the URL.
        raise ValueError(wanted) from None
    if not sound:
        raise ValueError(wanted)
    return parts


def base_url(raw: str) -> str:
    """Check a URL that others are built on: no userinfo, query or fragment; scheme and host are folded."""
    parts = split_url(raw)
    if "@" in parts.netloc:
        raise ValueError("must hold no user name or password: put them in a connection")
    if "?" in raw or "#" in raw:
        raise ValueError("must end with its path: it cannot have a query or a fragment")
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def index_url(raw: str) -> str:
    """Check the URL of a simple index and end it with a slash, so that project names are joined below it."""
    return with_slash(base_url(raw))


def public_url(raw: str) -> str:
    """Check the URL that clients see; empty when links are relative. It does not end with a slash."""
    return base_url(raw).rstrip("/") if raw else raw


def with_slash(url: str) -> str:
    """End a URL with exactly one slash."""
    return url.rstrip("/") + "/"


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    """Give scheme, host and port, with the port that the scheme implies."""
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS[parts.scheme]


def target_key(url: str) -> tuple[str, str, int, tuple[str, ...]]:
    """Give what connections are matched by: scheme, host, port and whole path segments."""
    parts = urlsplit(url)
    return *origin_of(parts), tuple(segment for segment in parts.path.split("/") if segment)


def file_host(raw: str) -> str:
    """Check one entry of `file_hosts`: `host`, `host:port`, `[v6]`, `[v6]:port` or `*`; it is folded to lower case."""
    if raw == ANY_HOST:
        return raw
    found = _FILE_HOST.match(raw)
    if found is None or not 0 < int(found["port"] or 1) <= _HIGHEST_PORT:
        raise ValueError(
            "must be host, host:port, [IPv6 address]:port, or '*' for any host at a public address"
        )
    return raw.lower()


def store_url(raw: str) -> str:
    """Check the URL of the store: this version keeps it in a directory, `file:./relative` or `file:/absolute`."""
    store_directory(raw)
    return raw


def store_directory(url: str) -> Path:
    """Give the directory of a store URL; a relative one stands below the working directory (RFC 8089 for the rest).

    Raises:
        ValueError: it is not a file URL, names a host, or names no directory.
    """
    scheme, _, rest = url.partition(":")
    if scheme != "file" or (rest.startswith("//") and not rest.startswith("///")):
        raise ValueError(
            "must be file: and a directory, as in file:./wheelkeep-data: this version has no other store"
        )
    path = unquote(rest.removeprefix("//"))
    if not path or "\0" in path:
        raise ValueError("must name a directory, as in file:./wheelkeep-data")
    return Path(path)
