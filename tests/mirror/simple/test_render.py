"""What stands on a page: exactly what clients understand, and nothing that they would trip over."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace

from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName
from mirror.simple import render
from mirror.simple.media import Form

DEMO = ProjectName("demo")
WHEEL = "demo-1.0+cpu-py3-none-any.whl"
SIGNED = "https://blobs.example/x/demo.whl?sig=secret"
A64, B128 = "a" * 64, "b" * 128
BARE = File(filename="demo-1.0.tar.gz", url=SIGNED)
FULL = File(
    filename=WHEEL,
    url=SIGNED,
    hashes={"md5": "c" * 32, "sha256": A64},
    requires_python=">=3.8,<4",
    size=12,
    upload_time="2026-11-20T08:30:00Z",
    yanked="broken",
    core_metadata={"sha256": A64},
    provenance="https://index.example/integrity",
)


def as_json(page: ProjectPage) -> dict[str, Any]:
    """Write a page as JSON and read it with another library."""
    document = json.loads(render.project_page(page, file_base="../../files/", form=Form.JSON))
    assert isinstance(document, dict)
    return document


class Reader(HTMLParser):
    """Collects the tags of a document with another library."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))


def as_html(page: ProjectPage) -> list[tuple[str, dict[str, str | None]]]:
    """Write a page as HTML and list its tags."""
    reader = Reader()
    reader.feed(render.project_page(page, file_base="../../files/", form=Form.HTML).decode("ascii"))
    reader.close()
    return reader.tags


def anchors(page: ProjectPage) -> list[dict[str, str | None]]:
    """Write a page as HTML and list the attributes of its anchors."""
    return [attributes for tag, attributes in as_html(page) if tag == "a"]


def test_json_of_a_file_with_everything() -> None:
    """Every known field is there, the metadata under both of its keys, and of the hashes SHA-256 alone."""
    page = ProjectPage(name=DEMO, files=(FULL,), versions=("1.0+cpu",))
    assert as_json(page) == {
        "meta": {"api-version": "1.4"},
        "name": "demo",
        "versions": ["1.0+cpu"],
        "files": [
            {
                "filename": WHEEL,
                "url": "../../files/demo/demo-1.0%2Bcpu-py3-none-any.whl",
                "hashes": {"sha256": A64},
                "requires-python": ">=3.8,<4",
                "size": 12,
                "upload-time": "2026-11-20T08:30:00Z",
                "yanked": "broken",
                "core-metadata": {"sha256": A64},
                "dist-info-metadata": {"sha256": A64},
                "provenance": "https://index.example/integrity",
            }
        ],
    }


def test_json_of_a_file_with_nothing_has_no_null() -> None:
    """What is not known is left out, but the hashes, which must be there: a null makes clients give up on the page."""
    assert as_json(ProjectPage(name=DEMO, files=(BARE,))) == {
        "meta": {"api-version": "1.0"},
        "name": "demo",
        "files": [{"filename": "demo-1.0.tar.gz", "url": "../../files/demo/demo-1.0.tar.gz", "hashes": {}}],
    }


def test_html_of_a_file_with_everything() -> None:
    """Every known field has its attribute, and the link its hash."""
    assert anchors(ProjectPage(name=DEMO, files=(FULL,))) == [
        {
            "href": f"../../files/demo/demo-1.0%2Bcpu-py3-none-any.whl#sha256={A64}",
            "data-requires-python": ">=3.8,<4",
            "data-yanked": "broken",
            "data-core-metadata": f"sha256={A64}",
            "data-dist-info-metadata": f"sha256={A64}",
            "data-provenance": "https://index.example/integrity",
            "data-size": "12",
            "data-upload-time": "2026-11-20T08:30:00Z",
        }
    ]


def test_html_of_a_file_with_nothing_has_a_link_alone() -> None:
    """What is not known has no attribute."""
    assert anchors(ProjectPage(name=DEMO, files=(BARE,))) == [{"href": "../../files/demo/demo-1.0.tar.gz"}]


def test_html_has_one_anchor_for_each_file_and_no_navigation() -> None:
    """Clients collect every anchor; the version of HTML is 1.4 for ever."""
    tags = as_html(ProjectPage(name=DEMO, files=(FULL, BARE)))
    assert [tag for tag, _ in tags if tag not in {"br", "meta"}] == [
        "html",
        "head",
        "title",
        "body",
        "a",
        "a",
    ]
    assert ("meta", {"name": "pypi:repository-version", "content": "1.4"}) in tags


@pytest.mark.parametrize("form", Form)
def test_upstream_url_is_never_shown(form: Form) -> None:
    """No client sees where an upstream keeps a file, nor the signature in its URL."""
    body = render.project_page(
        ProjectPage(name=DEMO, files=(FULL, BARE)), file_base="../../files/", form=form
    )
    assert b"secret" not in body
    assert b"blobs.example" not in body


@pytest.mark.parametrize(
    ("hashes", "shown"),
    [
        ({"sha512": B128, "sha256": A64}, {"sha256": A64}),
        ({"sha384": "d" * 96, "sha512": B128, "md5": "c" * 32}, {"sha512": B128}),
        ({"sha384": "d" * 96}, {"sha384": "d" * 96}),
        ({"md5": "c" * 32, "sha1": "d" * 40, "blake2b": B128}, {}),
    ],
)
def test_one_strong_hash_is_shown(hashes: dict[str, str], shown: dict[str, str]) -> None:
    """A client takes a file when any one hash matches, so that no weak one is listed, and never two."""
    page = ProjectPage(name=DEMO, files=(replace(BARE, hashes=hashes),))
    assert as_json(page)["files"][0]["hashes"] == shown
    fragment = "".join(f"#{name}={digest}" for name, digest in shown.items())
    assert anchors(page)[0]["href"] == f"../../files/demo/demo-1.0.tar.gz{fragment}"


@pytest.mark.parametrize(
    ("filename", "told", "shown"),
    [
        (WHEEL, True, True),
        (WHEEL, {"sha256": A64}, {"sha256": A64}),
        (WHEEL, {"md5": "c" * 32}, True),
        (WHEEL, False, None),
        ("demo-1.0.tar.gz", True, None),
    ],
)
def test_core_metadata_is_claimed_for_wheels_alone(filename: str, told: Any, shown: object) -> None:
    """A claim is made under both keys or under none, and with no other hash than SHA-256."""
    page = ProjectPage(name=DEMO, files=(replace(BARE, filename=filename, core_metadata=told),))
    file = as_json(page)["files"][0]
    assert file.get("core-metadata") == file.get("dist-info-metadata") == shown
    claim = f"sha256={A64}" if isinstance(shown, dict) else shown and "true"
    attributes = anchors(page)[0]
    assert attributes.get("data-core-metadata") == attributes.get("data-dist-info-metadata") == claim


def test_yank_without_reason_is_a_mark() -> None:
    """True in JSON, an empty attribute in HTML: what each client takes for yanked."""
    page = ProjectPage(name=DEMO, files=(replace(BARE, yanked=True),))
    assert as_json(page)["files"][0]["yanked"] is True
    assert anchors(page)[0]["data-yanked"] == ""


@pytest.mark.parametrize(
    ("files", "versions", "version"),
    [
        ((FULL,), ("1.0",), "1.4"),
        ((FULL, BARE), ("1.0",), "1.0"),
        ((FULL,), None, "1.0"),
        ((), (), "1.4"),
        ((replace(BARE, size=0),), ("1.0",), "1.4"),
    ],
)
def test_version_is_claimed_only_when_it_is_kept(
    files: tuple[File, ...], versions: tuple[str, ...] | None, version: str
) -> None:
    """PEP 700: from 1.1 on every file has a size and the versions are listed; else the page is of 1.0."""
    document = as_json(ProjectPage(name=DEMO, files=files, versions=versions))
    assert document["meta"] == {"api-version": version}
    assert ("versions" in document) is (versions is not None)


def test_quarantined_project_offers_no_files() -> None:
    """PEP 792: clients do not heed the mark, so that the files are not there."""
    page = ProjectPage(name=DEMO, files=(FULL,), status=ProjectStatus(status="quarantined", reason="malware"))
    document = as_json(page)
    assert document["files"] == []
    assert document["project-status"] == {"status": "quarantined", "reason": "malware"}
    assert anchors(page) == []
    assert ("meta", {"name": "pypi:project-status", "content": "quarantined"}) in as_html(page)
    assert ("meta", {"name": "pypi:project-status-reason", "content": "malware"}) in as_html(page)


def test_status_without_reason_has_no_null() -> None:
    """A status whose reason is not known is told alone."""
    page = ProjectPage(name=DEMO, files=(FULL,), status=ProjectStatus(status="deprecated"))
    assert as_json(page)["project-status"] == {"status": "deprecated"}
    assert len(anchors(page)) == 1


@pytest.mark.parametrize("form", Form)
def test_no_value_becomes_markup(form: Form) -> None:
    """Whatever an upstream or an uploader wrote, no tag of theirs appears in the bytes."""
    evil = '"><script>\u00e9'
    file = replace(FULL, requires_python=evil, yanked=evil, upload_time=evil, provenance=evil)
    page = ProjectPage(
        name=DEMO, files=(file,), versions=(evil,), status=ProjectStatus(status=evil, reason=evil)
    )
    body = render.project_page(page, file_base=f"../{evil}/", form=form)
    assert b"<script" not in body
    assert form is Form.HTML or b"<" not in body


def test_project_list_in_both_forms() -> None:
    """JSON names the projects; HTML links each of them to its folder."""
    projects = ProjectList(names=(ProjectName("a"), ProjectName("b-c")))
    assert json.loads(render.project_list(projects, form=Form.JSON)) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": "a"}, {"name": "b-c"}],
    }
    reader = Reader()
    reader.feed(render.project_list(projects, form=Form.HTML).decode("ascii"))
    assert [attributes for tag, attributes in reader.tags if tag == "a"] == [{"href": "a/"}, {"href": "b-c/"}]
