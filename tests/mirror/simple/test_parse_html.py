"""The HTML form as real servers send it, and what only looks like it."""

import pytest

from mirror.errors import Invalid
from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName
from mirror.simple import parse

DEMO = ProjectName("demo")
URL = "https://feeds.example.com/org/_packaging/feed/pypi/simple/demo/"
WHEEL = "demo-2.31.0-py3-none-any.whl"
A64 = "a" * 64
PROOF = '<meta name="pypi:repository-version" content="1.0">'


def read(html: str, *, url: str = URL) -> ProjectPage:
    """Read a page of the project demo."""
    return parse.page(html.encode(), media_type="text/html; charset=utf-8", url=url, project=DEMO)


def document(body: str, head: str = "") -> str:
    """Make a whole document."""
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{body}\n</body></html>\n<!--SERIAL 7-->\n"


def test_every_field_is_read() -> None:
    """A full anchor comes through with every field that the model has, unescaped."""
    html = document(
        f'<a href="../../files/{WHEEL}#sha256={A64}" data-requires-python="&gt;=3.8,&lt;4" data-yanked="a &amp; b"'
        f' data-core-metadata="sha256={A64}" data-dist-info-metadata="true" data-size="12"'
        ' data-provenance="https://feeds.example.com/integrity" data-upload-time="2026-11-20T08:30:00Z"'
        f" data-gpg-sig=false>{WHEEL}</a><br/>",
        '<meta name="pypi:repository-version" content="1.4"><meta name="pypi:project-status" content="archived">'
        '<meta name="pypi:project-status-reason" content="moved &lt;there&gt;">',
    )
    assert read(html) == ProjectPage(
        name=DEMO,
        status=ProjectStatus(status="archived", reason="moved <there>"),
        files=(
            File(
                filename=WHEEL,
                url=f"https://feeds.example.com/org/_packaging/feed/pypi/files/{WHEEL}",
                hashes={"sha256": A64},
                requires_python=">=3.8,<4",
                size=12,
                upload_time="2026-11-20T08:30:00Z",
                yanked="a & b",
                core_metadata={"sha256": A64},
                provenance="https://feeds.example.com/integrity",
            ),
        ),
    )


def test_azure_artifacts_page_is_read() -> None:
    """Its links are absolute, carry the feed's GUID and a version without trailing zeros: they are kept as they are."""
    link = (
        "https://feeds.example.com/org/_packaging/8f2c0000-1111-2222-3333-444455556666/pypi/download/demo/2.31/"
        + WHEEL
    )
    html = (
        "<!DOCTYPE html><html><head><title>Links for demo</title></head><body><h1>Links for demo</h1>"
        f'<a href="{link}#sha256={A64}" data-requires-python="&gt;=3.8">{WHEEL}</a><br/></body></html>'
    )
    expected = File(filename=WHEEL, url=link, hashes={"sha256": A64}, requires_python=">=3.8")
    assert read(html).files == (expected,)


@pytest.mark.parametrize("mark", ["data-yanked", 'data-yanked=""', "DATA-YANKED=''", 'data-yanked="&#10;"'])
def test_presence_of_the_yank_mark_counts(mark: str) -> None:
    """PEP 592: in HTML a mark without a reason still means yanked."""
    assert read(document(f'<a href="{WHEEL}" {mark}>{WHEEL}</a>')).files[0].yanked is True
    assert read(document(f'<a href="{WHEEL}">{WHEEL}</a>')).files[0].yanked is False


@pytest.mark.parametrize(
    ("text", "href"),
    [
        (WHEEL, "opaque/blob-id"),
        (f"\n  <b>{WHEEL}</b> ", WHEEL),
        ("Download", f"{WHEEL}?sig=x#y"),
        ("demo-2.31.0-py3-no..&gt;", WHEEL),
        ("../../../etc/passwd.whl", WHEEL),
        ("", f"a/{WHEEL}"),
    ],
)
def test_name_is_the_text_else_the_end_of_the_link(text: str, href: str) -> None:
    """The anchor's text names the file when it can be one's name; else the last segment of its link does."""
    assert [file.filename for file in read(document(f'<a href="{href}">{text}</a>')).files] == [WHEEL]


def test_encoded_name_is_decoded_once() -> None:
    """A local version's plus is encoded in a link; what is encoded twice is no file name."""
    html = document('<a href="demo-1.0%2Bcpu.zip">x</a><a href="demo-1.0%252Bcpu.zip">y</a>')
    found = read(html)
    assert [file.filename for file in found.files] == ["demo-1.0+cpu.zip"]
    assert found.files[0].url == URL + "demo-1.0%2Bcpu.zip"


def test_first_base_is_what_links_are_relative_to() -> None:
    """The first base with an address counts, and is itself relative to the page."""
    bases = '<base target="x"><base href="/files/"><base href="https://other.example/">'
    assert (
        read(document(f'<a href="{WHEEL}">{WHEEL}</a>', bases)).files[0].url
        == f"https://feeds.example.com/files/{WHEEL}"
    )


def test_dangerous_links_are_dropped_and_the_rest_stays() -> None:
    """A link that http must not follow removes its file alone; navigation is no file; the first of a name stays."""
    html = document(
        '<a href="file:///etc/evil-1.0.zip">evil-1.0.zip</a>'
        '<a href="https://u:p@feeds.example.com/evil-2.0.zip">evil-2.0.zip</a>'
        '<a href="../">Parent</a><a name="top">demo-9.zip</a><a href="">demo-8.zip</a><a href="#">demo-7.zip</a>'
        f'<a href="a/{WHEEL}">{WHEEL}</a><a href="b/{WHEEL}">{WHEEL}</a><a href="{WHEEL}.asc">signature</a>'
    )
    found = read(html)
    assert [file.url for file in found.files if file.filename == WHEEL] == [f"{URL}a/{WHEEL}"]
    assert all(not file.filename.startswith("evil") for file in found.files)


def test_malformed_values_cost_only_themselves() -> None:
    """A hash, a size, a time or a provenance that is malformed is dropped, the file stays."""
    html = document(
        f'<a href="{WHEEL}#sha256=beef" data-size="-1" data-upload-time="yesterday" data-provenance="/x"'
        f' data-requires-python="" data-core-metadata="false">{WHEEL}</a>'
    )
    assert read(html).files == (File(filename=WHEEL, url=URL + WHEEL),)


@pytest.mark.parametrize("digits", ["\u0663", "1e3", "9" * 5000, "9" * 19, "1_0"])
def test_size_is_written_in_digits(digits: str) -> None:
    """Other digits than ours, and more of them than a size has, are no size."""
    assert read(document(f'<a href="{WHEEL}" data-size="{digits}">{WHEEL}</a>')).files[0].size is None


@pytest.mark.parametrize(
    "html",
    [
        document("", PROOF),
        document("", '<meta name="pypi:project-status" content="quarantined">'),
        document("", "<title>Links for demo</title>"),
        document("<h1>Links for demo</h1>"),
    ],
)
def test_empty_project_is_believed_when_the_page_is_marked(html: str) -> None:
    """A page without anchors is an empty project only when it proves to be an index."""
    assert read(html).files == ()


@pytest.mark.parametrize(
    "html",
    [
        "",
        "Bad gateway",
        document("<h1>Welcome</h1>"),
        document("<form><input type=password></form>"),
        document('<a href="/help">Help</a>', "<title>Links for demo</title>"),
        document('<a href="file:///demo-1.0.zip">demo-1.0.zip</a>', PROOF),
        document(f'<a href="{WHEEL}">{WHEEL}</a>', '<meta name="pypi:repository-version" content="2.0">'),
        document(f'<a href="{WHEEL}">{WHEEL}</a>', '<base href="http://[x/">'),
    ],
)
def test_page_that_is_no_index_is_refused(html: str) -> None:
    """A page for people, a foreign version or a base that leads nowhere is never an empty project."""
    with pytest.raises(Invalid):
        read(html)


_ANCHOR = f'<a href="{WHEEL}">{WHEEL}</a>'


@pytest.mark.parametrize(
    "html",
    [
        f"<html><body>{_ANCHOR}",
        f"<HTML><body>{_ANCHOR}</body>",
        f"<html>{_ANCHOR}<!-- </html>",
        f'<html>{_ANCHOR}<a title="</html>',
        f"<html>{_ANCHOR}</html><!-- SERIAL",
        f"<html>{_ANCHOR}</html>\n<p>more",
        f"{_ANCHOR}<a href=",
        f"{_ANCHOR}<a href='x.zip'>x.z",
        f"{_ANCHOR}<a href='x.zip'>x.zip</",
        f"{_ANCHOR}<!-- ",
        f"{_ANCHOR}<title>Links",
        f"{_ANCHOR}<table><a href='x.zip'>x.zip",
    ],
)
def test_cut_document_is_refused(html: str) -> None:
    """An opened root must be closed at the end, and no tag, comment, title or anchor may be open there."""
    assert read(_ANCHOR).files
    with pytest.raises(Invalid):
        read(html)


@pytest.mark.parametrize(
    "html", [_ANCHOR, f"<pre>{_ANCHOR}\n", f"<!DOCTYPE html><title>x</title>{_ANCHOR}<br>"]
)
def test_document_without_a_root_tag_is_read(html: str) -> None:
    """HTML lets the root go unsaid; then nothing is missing at the end."""
    assert len(read(html).files) == 1


def test_odd_bytes_do_no_harm() -> None:
    """A byte order mark is passed over, and bytes that are no UTF-8 stay in the text where they stand."""
    body = b"\xef\xbb\xbf" + document(f'<a href="{WHEEL}" data-yanked="caf\u00e9">{WHEEL}</a>').encode(
        "latin-1"
    )
    found = parse.page(body, media_type="text/html", url=URL, project=DEMO)
    assert [file.filename for file in found.files] == [WHEEL]
    assert str(found.files[0].yanked).startswith("caf")


def test_list_is_read_from_folders_and_from_links_that_say_their_project() -> None:
    """A folder beside the list is a project; any other link is one when its text is the end of it."""
    html = document(
        '<a href="/org/simple/django/">Django</a><a href="https://feeds.example.com/guid/simple/a-b">A.b</a>'
        '<a href="a-very-long-na/">a-very-lo..&gt;</a><a href="../">Parent Directory</a><a href="?C=N">Name</a>'
        '<a href="/help/">Help centre</a><a href="javascript:x/evil">evil</a>'
    )
    found = parse.project_list(
        html.encode(), media_type="text/html", url="https://feeds.example.com/org/simple/"
    )
    assert found == ProjectList(names=tuple(map(ProjectName, ("a-b", "a-very-long-na", "django"))))


@pytest.mark.parametrize("head", [PROOF, "<title>Simple Index</title>"])
def test_empty_list_is_believed_when_the_page_is_marked(head: str) -> None:
    """An index without projects proves to be an index."""
    assert parse.project_list(document("", head).encode(), media_type="text/html", url=URL) == ProjectList()


@pytest.mark.parametrize(
    "html", [document("<h1>Welcome</h1>"), document('<a href="/help">Help centre</a>', PROOF)]
)
def test_list_that_is_none_is_refused(html: str) -> None:
    """A page that lists no project and does not say that it is an index is not an empty one."""
    with pytest.raises(Invalid):
        parse.project_list(html.encode(), media_type="text/html", url=URL)
