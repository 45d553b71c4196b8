"""One question over HTTP on loopback, asked as pip asks; for what is not itself the load."""

import gzip
import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from benchmarks.errors import WrongAnswer

V1_JSON = "application/vnd.pypi.simple.v1+json"
AS_PIP: Mapping[str, str] = {
    "Accept": f"{V1_JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    "Accept-Encoding": "gzip",
}
SECONDS = 60.0
"""How long an answer may take."""
_HREF = re.compile(r'<a\s[^>]*?href="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        url: what was asked.
        status: its code.
        headers: by name in lower case.
        body: as it came, compressed or not.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> tuple[str, str]:
        """The content type without parameters, and the coding; two loads are alike when these are."""
        content_type = self.headers.get("content-type", "").partition(";")[0].strip()
        return content_type, self.headers.get("content-encoding", "identity")

    @property
    def text(self) -> str:
        """The body, decoded."""
        body = gzip.decompress(self.body) if self.kind[1] == "gzip" else self.body
        return body.decode()


def ask(
    url: str, *, method: str = "GET", headers: Mapping[str, str] = AS_PIP, body: str | None = None
) -> Answer:
    """Ask once, on a connection of its own; every status is an answer.

    Raises:
        OSError: nobody listens, or the answer took too long.
        http.client.HTTPException: what came is no HTTP.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    try:
        connection.request(method, parts.path, body, dict(headers))
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(url, response.status, fields, response.read())
    finally:
        connection.close()


def expect(url: str) -> Answer:
    """Ask for what must be there.

    Raises:
        WrongAnswer: the status is not 200, or there was no answer.
    """
    name = PurePosixPath(urlsplit(url).path).name
    try:
        answer = ask(url)
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{name}: {error}") from error
    if answer.status != HTTPStatus.OK:
        raise WrongAnswer(f"{name} was answered with {answer.status}")
    return answer


def find_file(page: Answer, filename: str) -> str:
    """Give the URL that a project page has for a file.

    Raises:
        WrongAnswer: the page does not list it.
    """
    if page.kind[0] == V1_JSON:
        urls = [file["url"] for file in json.loads(page.text)["files"]]
    else:
        urls = [unescape(href) for href in _HREF.findall(page.text)]
    for url in map(str, urls):
        target, _ = urldefrag(urljoin(page.url, url))
        if unquote(target.rpartition("/")[2]) == filename:
            return target
    raise WrongAnswer(f"{urlsplit(page.url).path} does not list {filename}")
