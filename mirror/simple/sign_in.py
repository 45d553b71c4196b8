"""Recognises the page that a server shows people in place of the index or file that a program asked for."""

import re
from urllib.parse import urlsplit

_SERVICE = "vssps"
"""What Azure DevOps calls the service that signs people in, in the names of its hosts and in paths."""
_DOOR = "_signin"
_PAGE = re.compile(
    rb"""type\s*=\s*["']?password\b|_signin\b|\bvssps\b|<title[^<>]*>[^<]*\b(?:sign|log)[ -]?in\b""",
    re.IGNORECASE,
)
_LOOKED_AT = 64 * 1024


def is_sign_in_place(host: str, path: str) -> bool:
    """Tell whether a host and a path lead to the sign-in pages of Azure DevOps, where a bad token is sent to.

    Whole labels of the host and beginnings of path segments count, so that no package is taken for such a page: no file
    name begins with an underscore.
    """
    labels, segments = host.lower().split("."), path.lower().split("/")
    return (
        _SERVICE in labels or _SERVICE in segments or any(segment.startswith(_DOOR) for segment in segments)
    )


def looks_like_sign_in(body: bytes, url: str) -> bool:
    """Tell whether an answer is a sign-in page: then the credentials are missing, wrong or expired.

    Ask this only of what could not be read as what it should be: an index may list a project of any name.

    Args:
        body: the answer's body; its first 64 KiB count.
        url: where it came from in the end.
    """
    place = urlsplit(url)
    if is_sign_in_place(place.hostname or "", place.path):
        return True
    head = body[:_LOOKED_AT]
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and _PAGE.search(head) is not None
