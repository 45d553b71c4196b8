"""The media type decides how a document is read."""

import pytest

from mirror.errors import Invalid
from mirror.names import ProjectName
from mirror.simple import parse

URL = "https://feeds.example.com/simple/demo/"
JSON = b'{"meta":{"api-version":"1.0"},"name":"demo","files":[{"filename":"demo-1.zip","url":"demo-1.zip","hashes":{}}]}'
HTML = b"<html><a href=demo-1.zip>demo-1.zip</a></html>"
JSON_LIST = b'{"meta":{"api-version":"1.0"},"projects":[{"name":"demo"}]}'
HTML_LIST = b"<html><a href=demo/>demo</a></html>"


@pytest.mark.parametrize(
    ("media_type", "body", "listing"),
    [
        ("application/vnd.pypi.simple.v1+json", JSON, JSON_LIST),
        ("application/vnd.pypi.simple.v1+json; charset=utf-8", JSON, JSON_LIST),
        ("application/json", JSON, JSON_LIST),
        ("application/vnd.pypi.simple.v1+html", HTML, HTML_LIST),
        ("Text/HTML;charset=UTF-8", HTML, HTML_LIST),
    ],
)
def test_each_media_type_is_read_in_its_form(media_type: str, body: bytes, listing: bytes) -> None:
    """Parameters and upper case in the media type do not matter."""
    page = parse.page(body, media_type=media_type, url=URL, project=ProjectName("demo"))
    assert [(file.filename, file.url) for file in page.files] == [("demo-1.zip", URL + "demo-1.zip")]
    assert parse.project_list(listing, media_type=media_type, url=URL).names == ("demo",)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.pypi.simple.v2+json",
        "application/octet-stream",
        "text/plain",
        "application/xhtml+xml",
    ],
)
@pytest.mark.parametrize("body", [JSON, HTML])
def test_other_media_types_are_refused(media_type: str, body: bytes) -> None:
    """What a document is, is not guessed from its bytes."""
    with pytest.raises(Invalid):
        parse.page(body, media_type=media_type, url=URL, project=ProjectName("demo"))
    with pytest.raises(Invalid):
        parse.project_list(body, media_type=media_type, url=URL)


@pytest.mark.parametrize(("media_type", "body"), [("text/html", JSON), ("application/json", HTML)])
def test_document_of_the_other_form_is_refused(media_type: str, body: bytes) -> None:
    """A document that is not what its media type says is no answer."""
    with pytest.raises(Invalid):
        parse.page(body, media_type=media_type, url=URL, project=ProjectName("demo"))
