"""Who may read a feed, and how a feed shows that somebody may not."""

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

from tests.simulator.faults import SIGN_IN_PAGE
from tests.simulator.replies import Reply

Refusal = Literal["401", "403", "203", "302"]
"""A status, a sign-in page that looks like success, or a redirect to it."""

SIGN_IN_PATH = "/_signin"


@dataclass(frozen=True)
class Pat:
    """A personal access token: Basic with any user name that is not empty, and the token as the password."""

    token: str

    def admits(self, authorization: str | None) -> bool:
        """Tell whether an `Authorization` header opens the feed."""
        user, _, password = _basic(authorization).partition(":")
        return bool(user) and password == self.token


@dataclass(frozen=True)
class Basic:
    """A user name and its password."""

    username: str
    password: str

    def admits(self, authorization: str | None) -> bool:
        """Tell whether an `Authorization` header opens the feed."""
        return _basic(authorization) == f"{self.username}:{self.password}"


@dataclass(frozen=True)
class Bearer:
    """A bearer token (RFC 6750)."""

    token: str

    def admits(self, authorization: str | None) -> bool:
        """Tell whether an `Authorization` header opens the feed."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and token == self.token


Credential = Pat | Basic | Bearer


def refusal(how: Refusal) -> Reply:
    """Say no, in one of the ways feeds do; the challenge has the shape of the one that Azure Artifacts sends."""
    if how == "203":
        return Reply(status=203, headers={"Content-Type": "text/html; charset=utf-8"}, body=SIGN_IN_PAGE)
    if how == "302":
        return Reply(
            status=302, headers={"Location": f"{SIGN_IN_PATH}?realm=feeds.example.com&protocol=wsfederation"}
        )
    challenge = (
        "Bearer authorization_uri=https://login.example.com/72f988bf-0000-0000-0000-2d7cd011db47, "
        'Basic realm="https://feeds.example.com/", TFS-Federated'
    )
    return Reply(
        status=int(how),
        headers={"Content-Type": "application/json; charset=utf-8", "WWW-Authenticate": challenge},
        body=b'{"message":"TF400813: The user is not authorized to access this resource."}',
    )


def _basic(authorization: str | None) -> str:
    """Decode `user:password`; empty when there is none."""
    scheme, _, coded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
