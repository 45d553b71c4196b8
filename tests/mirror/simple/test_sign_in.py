"""A sign-in page is told from an index, so that a bad credential gets its own error."""

import pytest

from mirror.simple.parse import looks_like_sign_in
from mirror.simple.sign_in import is_sign_in_place

INDEX = "https://feeds.example.com/org/simple/demo/"


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (b"", "https://accounts.example.com/_signin?realm=feeds.example.com"),
        (b"", "https://spsprodcus1.vssps.example.com/go"),
        (b'<html><form><input name="p" type="password"></form>', INDEX),
        (b"<html><form><INPUT TYPE = 'Password'>", INDEX),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><title>Sign in to your account</title>", INDEX),
        (b"<html><head><title>Feeds | Log in</title>", INDEX),
        (b'<html><script>location="https://accounts.example.com/_signin"</script>', INDEX),
    ],
)
def test_sign_in_page_is_recognised(body: bytes, url: str) -> None:
    """A password field, a title that says so, or the place it came from gives it away."""
    assert looks_like_sign_in(body, url)


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (b"<html><title>Links for demo</title><a href='demo-1.0.tar.gz'>demo-1.0.tar.gz</a>", INDEX),
        (b'{"message": "type=password", "title": "_signin"}', INDEX),
        (b"PK\x03\x04 type=password", INDEX),
        (b"<html>bad gateway</html>", INDEX + "?reply_to=https://accounts.example.com/_signin"),
        (b"", INDEX),
    ],
)
def test_other_answers_are_not(body: bytes, url: str) -> None:
    """An index, another error, an archive or a query string does not blame the credentials."""
    assert not looks_like_sign_in(body, url)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("feeds.example.com", "/_signin", True),
        ("feeds.example.com", "/org/_SignIn/go", True),
        ("feeds.example.com", "/_signin.aspx", True),
        ("app.vssps.example.com", "/oauth2", True),
        ("feeds.example.com", "/vssps/x", True),
        ("feeds.example.com", "/files/signin-1.0.whl", False),
        ("feeds.example.com", "/files/acme_signin-1.0-py3-none-any.whl", False),
        ("feeds.example.com", "/files/vssps-1.0.whl", False),
        ("vsspsfiles.example.com", "/x.whl", False),
        ("", "", False),
    ],
)
def test_sign_in_pages_are_known_by_their_place(host: str, path: str, *, expected: bool) -> None:
    """Host and path of Azure DevOps' sign-in pages are recognised, and packages of such names are not mistaken for them."""
    assert is_sign_in_place(host, path) is expected
