"""The JSON form as real servers send it: odd optional fields are tolerated, broken promises are not."""

import json
from typing import Any

import pytest

from mirror.errors import Invalid
from mirror.model import File, ProjectList, ProjectPage, ProjectStatus
from mirror.names import ProjectName
from mirror.simple import parse
from mirror.simple.media import V1_JSON

DEMO = ProjectName("demo")
URL = "https://feeds.example.com/simple/demo/"
WHEEL = "demo-1.0-py3-none-any.whl"
A64 = "a" * 64


def read(document: object, media_type: str = V1_JSON) -> ProjectPage:
    """Read a page of the project demo."""
    return parse.page(json.dumps(document).encode(), media_type=media_type, url=URL, project=DEMO)


def page(*files: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Make a document."""
    return {"meta": {"api-version": "1.4"}, "name": "demo", "files": list(files), **fields}


def entry(**fields: Any) -> dict[str, Any]:
    """Make an entry of a file; keys are written with `_` for `-`."""
    known = {"filename": WHEEL, "url": f"../../files/{WHEEL}", "hashes": {}}
    return known | {key.replace("_", "-"): value for key, value in fields.items()}


def test_every_field_is_read() -> None:
    """A full entry comes through with every field that the model has."""
    document = page(
        entry(
            hashes={"md5": "c" * 32, "sha256": A64},
            requires_python=">=3.8,<4",
            size=12,
            upload_time="2026-11-20T08:30:00.5Z",
            yanked="broken",
            core_metadata={"sha256": A64},
            provenance="https://feeds.example.com/integrity/demo",
            gpg_sig=False,
            _private={"anything": [1]},
        ),
        versions=["1.0", "2.0"],
        **{"project-status": {"status": "archived", "reason": "moved"}},
    )
    assert read(document) == ProjectPage(
        name=DEMO,
        versions=("1.0", "2.0"),
        status=ProjectStatus(status="archived", reason="moved"),
        files=(
            File(
                filename=WHEEL,
                url=f"https://feeds.example.com/files/{WHEEL}",
                hashes={"sha256": A64},
                requires_python=">=3.8,<4",
                size=12,
                upload_time="2026-11-20T08:30:00.5Z",
                yanked="broken",
                core_metadata={"sha256": A64},
                provenance="https://feeds.example.com/integrity/demo",
            ),
        ),
    )


@pytest.mark.parametrize("odd", [None, [], 3.5, {"x": [None]}])
@pytest.mark.parametrize("key", ["hashes", "requires-python", "size", "upload-time", "provenance"])
def test_odd_optional_field_costs_only_itself(key: str, odd: object) -> None:
    """A null, or a value of another type, in an optional field is as if the field were not there."""
    found = read(page(entry() | {key: odd}))
    assert found.files == (File(filename=WHEEL, url=f"https://feeds.example.com/files/{WHEEL}"),)


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
def test_every_name_of_core_metadata_is_known(key: str) -> None:
    """The key of the specification and both old ones are read."""
    assert read(page(entry() | {key: {"sha256": A64}})).files[0].core_metadata == {"sha256": A64}


def test_empty_yank_reason_is_a_yank() -> None:
    """A file that is yanked without a reason is never shown as one that is not yanked."""
    assert read(page(entry(yanked=""))).files[0].yanked is True
    assert read(page(entry(yanked=None))).files[0].yanked is False


@pytest.mark.parametrize(
    "provenance",
    ["/integrity/demo", "file:///x", "https://u:p@feeds.example.com/x", "ftp://feeds.example.com/x"],
)
def test_provenance_is_an_absolute_http_url_or_nothing(provenance: str) -> None:
    """PEP 740: the URL is fully qualified; any other is dropped, the file stays."""
    assert read(page(entry(provenance=provenance))).files[0].provenance is None


@pytest.mark.parametrize(
    "bad",
    [
        {"filename": "../evil.whl"},
        {"filename": ".hidden.whl"},
        {"filename": "a\nb.whl"},
        {"filename": '"><script>.whl'},
        {"filename": ""},
        {"url": "file:///etc/passwd"},
        {"url": "https://user:secret@feeds.example.com/x.whl"},
        {"url": ""},
    ],
)
def test_dangerous_entry_is_dropped_and_the_rest_stays(bad: dict[str, str]) -> None:
    """An unsafe name or link removes its entry alone."""
    good = entry(filename="demo-2.0.tar.gz", url="https://blobs.example/demo-2.0.tar.gz?sig=a%2Bb#sha256=x")
    found = read(page(entry() | bad, good))
    assert [file.filename for file in found.files] == ["demo-2.0.tar.gz"]
    assert found.files[0].url == "https://blobs.example/demo-2.0.tar.gz?sig=a%2Bb"
    with pytest.raises(Invalid):
        read(page(entry() | bad))


def test_first_of_two_entries_with_one_name_stays() -> None:
    """File names are unique, and a later entry cannot replace an earlier one."""
    found = read(page(entry(size=1), entry(size=2)))
    assert [file.size for file in found.files] == [1]


def test_entries_that_are_no_distributions_pass() -> None:
    """PEP 825 lists a file of variants: what a JSON index lists under a safe name is listed on."""
    name = "demo-1.0-variants.json"
    assert read(page(entry(filename=name, url=name))).files[0].filename == name


def test_empty_project_is_believed() -> None:
    """JSON says plainly that a project has no files."""
    assert read(page()) == ProjectPage(name=DEMO)


@pytest.mark.parametrize(
    "status",
    [
        {"project-status": {"status": "quarantined", "reason": "malware"}},
        {"meta": {"project-status": "quarantined", "project-status-reason": "malware"}},
    ],
)
def test_status_is_found_where_servers_put_it(status: dict[str, Any]) -> None:
    """The status is read from the place of the specification and from that of its example."""
    assert read(page(**status)).status == ProjectStatus(status="quarantined", reason="malware")


def test_versions_are_clean_and_unique() -> None:
    """What is no text is no version, and a set is not told twice."""
    assert read(page(versions=["1.0", None, "1.0", "2.0\n", ""])).versions == ("1.0", "2.0")
    assert read(page(versions=None)).versions is None


@pytest.mark.parametrize("name", ["Demo", "DEMO", "demo", None])
def test_page_of_the_project_is_read_under_any_spelling(name: str | None) -> None:
    """A display name that normalizes to the project is the project."""
    assert read(page(entry(), name=name)).name == DEMO


@pytest.mark.parametrize(
    "document",
    [
        page(entry(), name="other"),
        page(entry(), name="<b>"),
        page(entry(), name=3),
        page(entry(), meta={"api-version": "2.0"}),
        page(entry(), meta={"api-version": 1.0}),
        page(entry(), meta="1.0"),
        page(entry(), files=None),
        page({"filename": WHEEL, "hashes": {}}),
        page({"url": WHEEL, "hashes": {}}),
        page({"filename": 3, "url": WHEEL}),
        {"meta": {"api-version": "1.0"}, "name": "demo"},
        {"message": "not found"},
        {},
        [],
        None,
    ],
)
def test_broken_promise_refuses_the_page(document: object) -> None:
    """Another project, another version, or a required key that is missing: that is no answer."""
    with pytest.raises(Invalid):
        read(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe{\x00}\x00",
        b'{"files":[],"name":"demo"} {"files":[]}',
        b'{"files":[],"name":"\xff"}',
        b'{"files":[{"filename":"\\ud800.whl","url":"x"}]}',
        b'{"files":[{"filename":"a.whl","url":"x","size":' + b"9" * 5000 + b"}]}",
        b'{"files":[],"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_malformed_json_is_refused_with_our_error(body: bytes) -> None:
    """Bytes that are no JSON, or that would overwhelm a reader, raise `Invalid` and nothing else."""
    with pytest.raises(Invalid):
        parse.page(body, media_type=V1_JSON, url=URL, project=DEMO)


def test_byte_order_mark_is_passed_over() -> None:
    """A mark before the document does no harm."""
    body = b"\xef\xbb\xbf" + json.dumps(page(entry())).encode()
    assert parse.page(body, media_type=V1_JSON, url=URL, project=DEMO).files


def test_version_may_be_missing_under_the_type_of_the_api() -> None:
    """Where no version is told it is 1.0, but only when the media type says which API it is."""
    document = page(entry(), meta={})
    assert read(document).files
    assert read(page(entry()), "application/json").files
    with pytest.raises(Invalid):
        read(document, "application/json")


def test_list_is_normalized_unique_and_sorted() -> None:
    """Names come back in their normalized form, each once; what is no name is left out."""
    document = {
        "meta": {"api-version": "1.0"},
        "projects": [{"name": name} for name in ("b", "A.b", "a_B", "../x")],
    }
    found = parse.project_list(json.dumps(document).encode(), media_type=V1_JSON, url=URL)
    assert found == ProjectList(names=(ProjectName("a-b"), ProjectName("b")))


@pytest.mark.parametrize("document", [{"projects": [{"name": "/"}]}, {"files": []}, {"projects": [{}]}])
def test_list_that_is_none_is_refused(document: object) -> None:
    """Entries of which none is a project, or a document of another kind, are not an empty index."""
    with pytest.raises(Invalid):
        parse.project_list(json.dumps(document).encode(), media_type=V1_JSON, url=URL)
