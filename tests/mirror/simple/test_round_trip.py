"""What is written is read again as it was, whatever stands in it, and never in part."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mirror.errors import Invalid
from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName
from mirror.simple import parse, render
from mirror.simple.media import TEXT_HTML, V1_JSON, Form
from tests.mirror.simple.strategies import FILE_BASE, FILES_URL, PAGE_URL, PROJECT, pages

_MEDIA = {Form.JSON: V1_JSON, Form.HTML: TEXT_HTML}


def read(body: bytes, form: Form) -> ProjectPage:
    """Read a page as a client that got it from `PAGE_URL`."""
    return parse.page(body, media_type=_MEDIA[form], url=PAGE_URL, project=PROJECT)


def write(page: ProjectPage, form: Form) -> bytes:
    """Write a page with its files where the strategies put them."""
    return render.project_page(page, file_base=FILE_BASE, form=form)


@settings(deadline=None, database=None)
@given(page=pages())
def test_json_keeps_every_field(page: ProjectPage) -> None:
    """JSON carries every field, whatever text stands in it."""
    assert read(write(page, Form.JSON), Form.JSON) == page


@settings(deadline=None, database=None)
@given(page=pages())
def test_html_keeps_every_field(page: ProjectPage) -> None:
    """HTML carries every field but the versions, which it has no place for, whatever text stands in it."""
    assert read(write(page, Form.HTML), Form.HTML) == replace(page, versions=None)


@settings(deadline=None, database=None)
@given(body=st.binary(max_size=300), media_type=st.sampled_from([*_MEDIA.values(), "application/json"]))
def test_any_bytes_are_read_or_refused(body: bytes, media_type: str) -> None:
    """Whatever bytes come, the outcome is a page or `Invalid`, never another error."""
    for document in (body, b'{"meta":{"api-version":"1.0"},"files":[' + body, b"<a href=" + body + b"</a>"):
        try:
            page = parse.page(document, media_type=media_type, url=PAGE_URL, project=PROJECT)
        except Invalid:
            continue
        assert page.name == PROJECT


def _small_page() -> ProjectPage:
    return ProjectPage(
        name=PROJECT,
        versions=("1.0", "2.0"),
        status=ProjectStatus(status="deprecated", reason="see </html> and <!-- there"),
        files=tuple(
            File(
                filename=f"demo-{version}-py3-none-any.whl",
                url=f"{FILES_URL}demo-{version}-py3-none-any.whl",
                hashes={"sha256": sha256(version.encode()).hexdigest()},
                requires_python=">=3.8,<4",
                size=10,
                yanked="use </html> another",
                core_metadata=True,
            )
            for version in ("1.0", "2.0")
        ),
    )


@pytest.mark.parametrize("form", Form)
def test_cut_page_is_refused_wherever_it_is_cut(form: Form) -> None:
    """A page cut at any byte is refused, or it was only white space that was lost: no file goes missing in silence."""
    whole = write(_small_page(), form)
    expected = read(whole, form)
    assert len(expected.files) == 2
    for length in range(len(whole)):
        try:
            page = read(whole[:length], form)
        except Invalid:
            continue
        assert page == expected
        assert not whole[length:].strip()


@pytest.mark.parametrize("form", Form)
def test_cut_list_is_refused_wherever_it_is_cut(form: Form) -> None:
    """A list cut at any byte is refused, or it was only white space that was lost."""
    projects = ProjectList(names=(ProjectName("a"), ProjectName("b-c")))
    whole = render.project_list(projects, form=form)
    for length in range(len(whole)):
        try:
            found = parse.project_list(
                whole[:length], media_type=_MEDIA[form], url="https://index.example/simple/"
            )
        except Invalid:
            continue
        assert found == projects
        assert not whole[length:].strip()


@pytest.mark.parametrize("form", Form)
def test_ten_thousand_files_come_through(form: Form) -> None:
    """A page of ten thousand files is read and written without losing or mixing up any."""
    names = [f"demo-1.{number}+cpu-py3-none-any.whl" for number in range(10_000)]
    page = ProjectPage(
        name=PROJECT,
        files=tuple(
            File(
                filename=name,
                url=f"{FILES_URL}{name.replace('+', '%2B')}",
                hashes={"sha256": sha256(name.encode()).hexdigest()},
                requires_python=">=3.8",
            )
            for name in names
        ),
    )
    assert read(write(page, form), form) == page


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("count", [0, 1, 4096, 10_001])
def test_project_list_comes_through(form: Form, count: int) -> None:
    """A list of any length, an empty one too, is read as it was written."""
    projects = ProjectList(names=tuple(ProjectName(f"project-{number:05}") for number in range(count)))
    body = render.project_list(projects, form=form)
    assert parse.project_list(body, media_type=_MEDIA[form], url="https://index.example/simple/") == projects
