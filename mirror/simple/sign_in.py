"""Recognises the page that a server shows people in place of the index or file that a program asked for."""

import re
from urllib.parse import urlsplit

_PLACE = re.compile(r"_signin|vssps", re.IGNORECASE)
_PAGE = re.compile(
    rb"""type\s*=\s*["']?password\b|_signin\b|\bvssps\b|<title[^>]*>[^<]*\b(?:sign|log)[ -]?in\b""",
    re.IGNORECASE,
)
_LOOKED_AT = 64 * 1024


def looks_like_sign_in(body: bytes, url: str) -> bool:
    """Tell whether an answer is a sign-in page: then the credentials are missing, wrong or expired.

    Ask this only of what could not be read as what it should be: an index may list a project of any name.

    Args:
        body: the answer's body; its first 64 KiB count.
        url: where it came from in the end.
    """
    place = urlsplit(url)
    if _PLACE.search(f"{place.hostname or ''}{place.path}"):
        return True
    head = body[:_LOOKED_AT]
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and _PAGE.search(head) is not None
