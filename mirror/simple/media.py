"""The media types of the simple API (PEP 691), and the two forms that a page is written in."""

from enum import Enum
from typing import Final

V1_JSON: Final = "application/vnd.pypi.simple.v1+json"
V1_HTML: Final = "application/vnd.pypi.simple.v1+html"
TEXT_HTML: Final = "text/html"
"""PEP 691: an alias of `V1_HTML`, for browsers and for clients older than it."""

LATEST: Final = {
    "application/vnd.pypi.simple.latest+json": V1_JSON,
    "application/vnd.pypi.simple.latest+html": V1_HTML,
}
"""PEP 691: only asked for, never answered with; what is answered says its version."""


class Form(Enum):
    """How a page is written: both media types of HTML share the bytes."""

    JSON = "json"
    HTML = "html"


def bare(media_type: str) -> str:
    """Give a media type without its parameters, in lower case: `Text/HTML; charset=utf-8` is `text/html`."""
    return media_type.partition(";")[0].strip().lower()
