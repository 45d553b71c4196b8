"""Content negotiation: what each real client gets, and what garbage gets."""

import pytest

from mirror.simple.media import TEXT_HTML, V1_HTML, V1_JSON, Form
from mirror.simple.negotiate import Choice, accepts_gzip, choose

PIP = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"
UV = f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01"
POETRY = f"{V1_JSON}, */*;q=0.1"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
OLD_JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param(PIP, V1_JSON, id="pip and pdm"),
        pytest.param(UV, V1_JSON, id="uv"),
        pytest.param(POETRY, V1_JSON, id="poetry"),
        pytest.param("text/html", TEXT_HTML, id="uv find-links"),
        pytest.param(BROWSER, TEXT_HTML, id="browser"),
        pytest.param(OLD_JAVA, TEXT_HTML, id="star alone"),
        pytest.param("*/*", TEXT_HTML, id="curl"),
        pytest.param(None, TEXT_HTML, id="no header"),
        pytest.param("", TEXT_HTML, id="empty header"),
    ],
)
def test_every_client_gets_what_it_reads_best(accept: str | None, content_type: str) -> None:
    """Each client gets JSON when it names it, and HTML that every client reads when it names nothing."""
    choice = choose(accept)
    assert choice is not None
    assert choice.content_type == content_type


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/vnd.pypi.simple.latest+json", V1_JSON),
        ("application/vnd.pypi.simple.latest+html, */*;q=0.1", V1_HTML),
        (V1_JSON.upper(), V1_JSON),
        (f"{V1_JSON} ; q=0.5 , text/html ; q=0.4", V1_JSON),
        (f"{V1_JSON};q=0.5, text/html;q=0.5", V1_JSON),
        (f"{V1_JSON};q=0.5, text/html", TEXT_HTML),
        (f"{V1_JSON};q=0.5, {V1_HTML};q=0.6, text/html;q=0.1", V1_HTML),
        (f"{V1_JSON};q=0.5, */*", V1_JSON),
        (f"{V1_JSON};q=0, */*", TEXT_HTML),
        (f"{V1_HTML}, text/html", V1_HTML),
        ("text/html;charset=utf-8", TEXT_HTML),
        ("text/html;level=1;q=0.3, image/png", TEXT_HTML),
        ("text/*", TEXT_HTML),
        ("application/*", V1_JSON),
        ("text/html;q=0, */*", V1_JSON),
        ("application/json, */*;q=0.1", TEXT_HTML),
        ("*/*;q=0.1, text/html;q=nonsense", TEXT_HTML),
    ],
)
def test_quality_and_specificity_decide(accept: str, content_type: str) -> None:
    """What is named counts before what a wildcard matches; qualities decide; `latest` is answered with its version."""
    choice = choose(accept)
    assert choice is not None
    assert choice.content_type == content_type


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "image/png",
        "application/vnd.pypi.simple.v2+json",
        f"{V1_JSON};q=0",
        "*/*;q=0",
        "text/html;q=0",
        "html",
    ],
)
def test_nothing_acceptable_is_said(accept: str) -> None:
    """A client that accepts nothing that can be answered is told so, not given what it cannot read."""
    assert choose(accept) is None


@pytest.mark.parametrize(
    "accept", [";;;,,", '"', "\x00\xff", "q=1", "," * 5000, 'a/b;x="1,2', "text/html;q=2"]
)
def test_garbage_does_not_crash(accept: str) -> None:
    """A header that cannot be read is passed over: the answer is HTML or a refusal, never an error."""
    assert choose(accept) in {None, Choice(TEXT_HTML, Form.HTML)}


@pytest.mark.parametrize(
    ("wanted", "content_type"),
    [
        (V1_JSON, V1_JSON),
        (V1_JSON.replace("+", " "), V1_JSON),
        (V1_HTML, V1_HTML),
        ("text/html", TEXT_HTML),
        ("TEXT/HTML", TEXT_HTML),
        ("application/vnd.pypi.simple.latest+json", V1_JSON),
    ],
)
def test_format_parameter_beats_the_header(wanted: str, content_type: str) -> None:
    """`?format=` decides, also where its plus was decoded to a space, and whatever the header says."""
    for accept in (None, PIP, BROWSER, "image/png"):
        choice = choose(accept, wanted)
        assert choice is not None
        assert choice.content_type == content_type


@pytest.mark.parametrize("wanted", ["", "*/*", "json", "application/json", f"{V1_JSON};q=1", "text/*"])
def test_format_parameter_is_one_exact_type(wanted: str) -> None:
    """A wildcard, a quality or another type in `?format=` is refused, although the header would be answered."""
    assert choose(PIP, wanted) is None


@pytest.mark.parametrize(
    ("content_type", "form"), [(V1_JSON, Form.JSON), (V1_HTML, Form.HTML), (TEXT_HTML, Form.HTML)]
)
def test_content_type_says_the_form(content_type: str, form: Form) -> None:
    """Both types of HTML are one form."""
    assert choose(content_type) == Choice(content_type, form)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate", True),
        ("gzip, deflate, zstd", True),
        ("GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("identity;q=0.5, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("deflate", False),
        ("", False),
        (None, False),
        ('";,;q', False),
    ],
)
def test_gzip_is_sent_only_to_who_takes_it(header: str | None, accepted: bool) -> None:  # noqa: FBT001
    """A coding is used only when it is accepted, and not when the plain bytes are liked better."""
    assert accepts_gzip(header) is accepted
