"""The simple API over the wire."""

import gzip
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from mirror.model import File
from tests.proxy.memory import House, assemble

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"
UV = f"{JSON}, {HTML};q=0.2, text/html;q=0.01"
POETRY = f"{JSON}, */*;q=0.1"


def a_file(filename: str = "demo_pkg-1.0-py3-none-any.whl") -> File:
    """Make a listed file."""
    return File(filename=filename, url="", hashes={"sha256": sha256(filename.encode()).hexdigest()}, size=10)


def many_files(count: int) -> tuple[File, ...]:
    """Make the files of a large project."""
    return tuple(a_file(f"demo_pkg-1.{number}-py3-none-any.whl") for number in range(count))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PIP, JSON),
        (UV, JSON),
        (POETRY, JSON),
        (HTML, HTML),
        ("text/html", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        (None, "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/"])
async def test_each_client_gets_its_type(
    house: House, path: str, accept: str | None, content_type: str
) -> None:
    """List and page come in the type that the client's Accept asks for, exactly named."""
    house.index.add("demo-pkg", a_file())
    reply = await house.ask(path, {} if accept is None else {"Accept": accept})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == content_type
    assert b"demo-pkg" in reply.body
    assert reply.body.startswith(b"{") is (content_type == JSON)


async def test_accept_may_come_in_several_lines(house: House) -> None:
    """An Accept that a proxy split over two lines is read as one."""
    house.index.add("demo-pkg", a_file())
    reader, writer = await house.open("/simple/", {"X": f"1\r\nAccept: text/html;q=0.1\r\nAccept: {JSON}"})
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert f"Content-Type: {JSON}".encode() in head


@pytest.mark.parametrize("field", ["Accept", "Accept-Encoding", "If-None-Match"])
async def test_an_endless_list_is_not_read(house: House, field: str) -> None:
    """A list field over 90 full lines is as good as none, so that nobody makes the server read and remember it."""
    house.index.add("demo-pkg", *many_files(40))
    plain = await house.ask("/simple/demo-pkg/", {"X-Request-ID": "same"})
    wish = {"Accept": JSON, "Accept-Encoding": "gzip", "If-None-Match": plain.headers["ETag"]}[field]
    lines = f"\r\n{field}: ".join([wish, *("a," * 4000 for _ in range(90))])
    reply = await house.ask("/simple/demo-pkg/", {"X-Request-ID": "same", field: lines})
    assert (reply.status, reply.body) == (200, plain.body)
    assert {**reply.headers, "Date": ""} == {**plain.headers, "Date": ""}


async def test_the_format_parameter_beats_accept(house: House) -> None:
    """`?format=` decides over the Accept header, and its answer is not mixed up with the other."""
    house.index.add("demo-pkg", a_file())
    asked = await house.ask(f"/simple/demo-pkg/?format={JSON.replace('+', '%2B')}", {"Accept": "text/html"})
    plain = await house.ask("/simple/demo-pkg/", {"Accept": "text/html"})
    assert asked.headers["Content-Type"] == JSON
    assert plain.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/"])
async def test_what_is_not_offered_is_406(house: House, path: str) -> None:
    """A client that accepts nothing of what there is reads which types there are, and no index is asked for it."""
    house.index.add("demo-pkg", a_file())
    reply = await house.ask(path, {"Accept": "application/json"})
    assert reply.status == 406
    assert JSON.encode() in reply.body
    assert reply.headers["Cache-Control"] == "no-store"
    assert not house.index.asked


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple", "simple/"),
        ("/other/simple", "simple/"),
        ("/simple/demo-pkg", "demo-pkg/"),
        ("/simple/Demo.Pkg", "demo-pkg/"),
        ("/simple/Demo_Pkg/", "../demo-pkg/"),
        ("/default/simple/demo--pkg/", "../demo-pkg/"),
        ("/simple/Demo_Pkg/?format=text/html", "../demo-pkg/?format=text/html"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_unfinished_path_is_redirected(house: House, method: str, path: str, location: str) -> None:
    """A missing slash or a name that is not normalized is a relative redirect that nobody may store."""
    reply = await house.ask(path, method=method)
    assert reply.status == 307
    assert reply.headers["Location"] == location
    assert reply.headers["Content-Length"] == "0"
    assert reply.headers["Cache-Control"] == "no-store"
    assert not house.index.asked


@pytest.mark.parametrize(
    "path",
    [
        "/simple/-demo/",
        "/simple/demo-",
        "/simple/demo%20pkg/",
        "/simple/%2e%2e/",
        "/simple/../",
        "/simple/demo%2fpkg/",
        "/simple/demo%2Fpkg/",
        "/simple/demo%252fpkg/",
        "/simple/demo%00/",
        "/simple/demo%0d%0aX:1/",
        "/simple/d%C3%A9mo/",
        "/simple/%ff/",
        "/simple//",
        "/simple/demo/pkg/",
        f"/simple/{'a' * 300}/",
        "/nowhere/simple/",
        "/nowhere/simple/demo-pkg/",
        "/",
    ],
)
async def test_what_is_no_name_is_404_and_nobody_is_asked(house: House, path: str) -> None:
    """A path that can name no project, or an index that there is not, is 404 without a question to any index."""
    reply = await house.ask(path)
    assert reply.status == 404
    assert not house.index.asked


async def test_a_path_is_decoded_once(house: House) -> None:
    """A percent-encoded letter is that letter."""
    house.index.add("demo-pkg", a_file())
    assert (await house.ask("/simple/d%65mo-pkg/")).status == 200


async def test_a_page_has_the_headers_that_clients_and_caches_need(house: House) -> None:
    """A JSON page goes out with exactly the header fields that it should have."""
    house.index.add("demo-pkg", a_file())
    reply = await house.ask("/simple/demo-pkg/", {"Accept": PIP})
    assert reply.headers["Cache-Control"] == "public, max-age=60"
    assert reply.headers["Vary"] == "Accept, Accept-Encoding"
    assert set(reply.headers) == {
        "Content-Type",
        "Content-Length",
        "Cache-Control",
        "ETag",
        "Vary",
        "X-Content-Type-Options",
        "X-Request-ID",
        "Server",
        "Date",
        "Connection",
    }
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Server"] == "wheelkeep"


@pytest.mark.parametrize("accept", ["text/html", HTML])
async def test_html_can_do_nothing_in_a_browser(house: House, accept: str) -> None:
    """An HTML page is sandboxed and tells nobody where its reader came from."""
    house.index.add("demo-pkg", a_file())
    reply = await house.ask("/simple/demo-pkg/", {"Accept": accept})
    assert reply.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert reply.headers["Referrer-Policy"] == "no-referrer"


async def test_every_representation_has_its_own_strong_tag(house: House) -> None:
    """Three types in two codings are six entity tags, none of them weak, and gzip unpacks to the same bytes."""
    house.index.add("demo-pkg", *many_files(40))
    tags = set()
    for accept in (JSON, HTML, "text/html"):
        plain = await house.ask("/simple/demo-pkg/", {"Accept": accept})
        packed = await house.ask("/simple/demo-pkg/", {"Accept": accept, "Accept-Encoding": "gzip, deflate"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(packed.body) == plain.body
        tags |= {plain.headers["ETag"], packed.headers["ETag"]}
    assert len(tags) == 6
    assert all(tag.startswith('"') for tag in tags)


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_unmodified_page_is_304(house: House, method: str, form: str) -> None:
    """A client that has the page gets 304 with what keeps its copy fresh, and no body."""
    house.index.add("demo-pkg", a_file())
    page = await house.ask("/simple/demo-pkg/", {"Accept": PIP})
    known = form.format(tag=page.headers["ETag"])
    reply = await house.ask("/simple/demo-pkg/", {"Accept": PIP, "If-None-Match": known}, method=method)
    assert reply.status == 304
    assert reply.whole
    for field in ("ETag", "Cache-Control", "Vary"):
        assert reply.headers[field] == page.headers[field]
    assert "Date" in reply.headers
    assert "Content-Type" not in reply.headers


async def test_a_changed_page_is_sent_again(house: House) -> None:
    """The tag of yesterday's page gets today's page."""
    house.index.add("demo-pkg", a_file())
    old = await house.ask("/simple/demo-pkg/", {"Accept": PIP})
    house.index.add("demo-pkg", a_file(), a_file("demo_pkg-2.0.tar.gz"))
    new = await house.ask("/simple/demo-pkg/", {"Accept": PIP, "If-None-Match": old.headers["ETag"]})
    assert new.status == 200
    assert b"demo_pkg-2.0.tar.gz" in new.body


@pytest.mark.parametrize("count", [1, 3000])
@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/"])
async def test_head_is_get_without_the_body(house: House, path: str, count: int) -> None:
    """HEAD gives the header fields of GET, Content-Length with them, for small and large pages."""
    house.index.add("demo-pkg", *many_files(count))
    got = await house.ask(path, {"Accept": PIP, "X-Request-ID": "same"})
    headed = await house.ask(path, {"Accept": PIP, "X-Request-ID": "same"}, method="HEAD")
    assert headed.status == 200
    assert headed.body == b""
    assert {**headed.headers, "Date": ""} == {**got.headers, "Date": ""}
    assert int(headed.headers["Content-Length"]) == len(got.body)


async def test_a_large_page_comes_whole(house: House) -> None:
    """A page of many pieces is the page, plain and packed."""
    house.index.add("demo-pkg", *many_files(5000))
    plain = await house.ask("/simple/demo-pkg/", {"Accept": JSON})
    packed = await house.ask("/simple/demo-pkg/", {"Accept": JSON, "Accept-Encoding": "gzip"})
    assert plain.whole
    assert len(plain.body) > 512 * 1024
    assert len(msgspec.json.decode(plain.body)["files"]) == 5000
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/"])
async def test_a_stale_page_says_so(house: House, path: str) -> None:
    """A page that the source could not confirm says how old it is, and may not be kept without asking."""
    house.index.add("demo-pkg", a_file())
    fresh = await house.ask(path, {"Accept": PIP})
    house.index.stale_seconds = 321
    reply = await house.ask(path, {"Accept": PIP})
    assert reply.status == 200
    assert reply.headers["X-Wheelkeep-Stale"] == "321"
    assert reply.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
    assert reply.headers["ETag"] == fresh.headers["ETag"]
    unmodified = await house.ask(path, {"Accept": PIP, "If-None-Match": fresh.headers["ETag"]})
    assert (unmodified.status, unmodified.headers["X-Wheelkeep-Stale"]) == (304, "321")
    house.index.stale_seconds = None
    assert "X-Wheelkeep-Stale" not in (await house.ask(path, {"Accept": PIP})).headers


@pytest.mark.parametrize("prefix", ["", "/default"])
async def test_file_links_are_relative(house: House, prefix: str) -> None:
    """A page's links lead to the file route beside it, with the `+` of a local version encoded."""
    house.index.add("demo-pkg", a_file("demo_pkg-1.0+cu12-py3-none-any.whl"))
    reply = await house.ask(f"{prefix}/simple/demo-pkg/", {"Accept": JSON})
    [file] = msgspec.json.decode(reply.body)["files"]
    assert file["url"] == "../../files/demo-pkg/demo_pkg-1.0%2Bcu12-py3-none-any.whl"


async def test_file_links_are_absolute_when_there_is_a_public_url(tmp_path: Path) -> None:
    """With a public URL links begin with it, and with the index where the page was asked under one."""
    house = assemble(tmp_path, public_url="https://index.example/base/")
    await house.server.start_server()
    house.index.add("demo-pkg", a_file("demo.whl"))
    urls = []
    for prefix in ("", "/default"):
        reply = await house.ask(f"{prefix}/simple/demo-pkg/", {"Accept": JSON})
        urls.append(msgspec.json.decode(reply.body)["files"][0]["url"])
    await house.server.close()
    assert urls == [
        "https://index.example/base/files/demo-pkg/demo.whl",
        "https://index.example/base/default/files/demo-pkg/demo.whl",
    ]


async def test_an_unknown_project_is_404(house: House) -> None:
    """A project that the index does not know is 404 with its sentence, which no cache on the way remembers."""
    reply = await house.ask("/simple/demo-pkg/")
    assert reply.status == 404
    assert reply.body == b"There is no project demo-pkg here.\n"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_indexes_do_not_mix(house: House) -> None:
    """What one index knows is not found in another."""
    house.index.add("demo-pkg", a_file())
    assert (await house.ask("/default/simple/demo-pkg/")).status == 200
    assert (await house.ask("/other/simple/demo-pkg/")).status == 404
