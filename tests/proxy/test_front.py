"""What comes again is answered as before, and nothing is taken for a request that is none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from structlog.testing import LogCapture

from mirror.errors import Unreachable
from mirror.model import Answer, File
from mirror.names import ProjectName
from proxy import front
from proxy.front import REPEATS
from proxy.middleware import TRAFFIC
from tests.proxy.memory import House, Reply, assemble, read_reply
from tests.proxy.test_metrics import figure

PAGE = b"GET /simple/demo-pkg/ HTTP/1.1\r\nHost: index.example\r\nAccept: text/html\r\n\r\n"
VARYING = {"Date", "X-Request-ID"}


@dataclass
class Client:
    """One connection that stays open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *pieces: bytes) -> Reply:
        """Send a request, each piece when the one before has had time to arrive alone, and read one answer."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(50):
                await asyncio.sleep(0)
        return await self.reply()

    async def reply(self) -> Reply:
        """Read one answer that tells its length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(read_reply(head, "HEAD").headers.get("Content-Length", "0"))
        return read_reply(head + await self.reader.readexactly(size))

    async def rest(self) -> bytes:
        """End the sending, and read what still comes."""
        self.writer.write_eof()
        return await self.reader.read()


@dataclass
class Scene:
    """A house, one connection to it, and what the application answered."""

    house: House
    client: Client
    prepared: list[str]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Serve one project over one connection."""
    house, prepared = assemble(tmp_path), list[str]()

    async def note(request: web.Request, _response: web.StreamResponse) -> None:
        prepared.append(request.path)

    house.app.on_response_prepare.append(note)
    house.index.add("demo-pkg", File(filename="demo.whl", url=""))
    await house.server.start_server()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
    yield Scene(house, Client(reader, writer), prepared)
    writer.close()
    await house.server.close()


def held_in_memory(house: House, data: bytes) -> None:
    """Hold the project's file, and its metadata, as a cache does that has them in memory."""
    file = house.files.hold("demo.whl", data)
    held = house.files.holding["demo.whl"]
    house.files.holding["demo.whl"] = msgspec.structs.replace(held, body=data)
    house.files.sidecars["demo.whl"] = b"metadata"
    house.index.add("demo-pkg", file)


def fixed(reply: Reply) -> tuple[int, str, dict[str, str], bytes]:
    """Give what two answers to one request have in common."""
    fields = {name: value for name, value in reply.headers.items() if name not in VARYING}
    return reply.status, reply.reason, fields, reply.body


@pytest.mark.parametrize(
    "path", [b"/simple/demo-pkg/", b"/simple/", b"/default/simple/demo-pkg/?format=text/html"]
)
async def test_what_comes_again_is_answered_alike(scene: Scene, lines: LogCapture, path: bytes) -> None:
    """The second answer is the first but for its id, without the application, with its line and its count."""
    request = PAGE.replace(b"/simple/demo-pkg/", path)
    first, second = await scene.client.ask(request), await scene.client.ask(request)
    assert first.whole
    assert fixed(first) == fixed(second)
    assert set(first.headers) == set(second.headers)
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert len(scene.prepared) == 1
    told = [
        {name: value for name, value in line.items() if name not in {"seconds", "request_id"}}
        for line in lines.entries
    ]
    assert told[0] == told[1]
    assert [line["request_id"] for line in lines.entries] == [
        first.headers["X-Request-ID"],
        second.headers["X-Request-ID"],
    ]
    view = "root" if path == b"/simple/" else "project"
    name = "wheelkeep_requests_total"
    counted = await asyncio.to_thread(
        figure, scene.house.metrics, name, view=view, method="GET", status="200"
    )
    assert counted == 2


def many_files(count: int) -> list[File]:
    """Make the files of a large project."""
    return [File(filename=f"demo_pkg-1.{number}.tar.gz", url="", size=number) for number in range(count)]


@pytest.mark.parametrize("count", [500, 8000])
async def test_a_large_page_that_comes_again_is_answered_alike(scene: Scene, count: int) -> None:
    """A page that the kernel has room for is sent without the application, all of it, and told with its size."""
    scene.house.index.add("demo-pkg", *many_files(count))
    first, second = await scene.client.ask(PAGE), await scene.client.ask(PAGE)
    assert len(first.body) > 90 * count
    assert fixed(first) == fixed(second)
    assert len(scene.prepared) == 1


async def test_what_a_client_does_not_take_waits_in_the_kernel_alone(scene: Scene) -> None:
    """Who asks for large pages and reads none has next to nothing in the memory of the server, and gets all in the end."""
    scene.house.index.add("demo-pkg", *many_files(8000))
    expected = fixed(await scene.client.ask(PAGE))
    busy = scene.house.app[TRAFFIC].busy
    asked = 0
    while not busy and asked < 100:
        asked += 1
        scene.client.writer.write(PAGE)
        for _ in range(50):
            await asyncio.sleep(0)
    assert asked < 100
    [transport] = busy
    assert isinstance(transport, asyncio.Transport)
    assert transport.get_write_buffer_size() <= 64 * 1024
    for _ in range(asked):
        assert fixed(await scene.client.reply()) == expected


@pytest.mark.parametrize("suffix", [b"", b".metadata"])
async def test_a_file_in_memory_is_answered_alike(scene: Scene, suffix: bytes) -> None:
    """A small file and its metadata come again with all their fields, without the application."""
    held_in_memory(scene.house, b"wheel")
    request = PAGE.replace(b"/simple/demo-pkg/", b"/files/demo-pkg/demo.whl" + suffix)
    first, second = await scene.client.ask(request), await scene.client.ask(request)
    assert first.body == (b"metadata" if suffix else b"wheel")
    assert fixed(first) == fixed(second)
    assert len(scene.prepared) == 1


async def test_a_file_that_left_the_memory_comes_from_the_disk(scene: Scene) -> None:
    """A known file whose bytes are not in memory is answered by the application."""
    held_in_memory(scene.house, b"wheel")
    request = PAGE.replace(b"/simple/demo-pkg/", b"/files/demo-pkg/demo.whl")
    first = await scene.client.ask(request)
    held = scene.house.files.holding["demo.whl"]
    scene.house.files.holding["demo.whl"] = msgspec.structs.replace(held, body=None)
    assert fixed(await scene.client.ask(request)) == fixed(first)
    assert len(scene.prepared) == 2


async def test_a_part_of_a_file_in_memory(scene: Scene) -> None:
    """A range of a file in memory is that part of it."""
    held_in_memory(scene.house, b"wheel")
    reply = await scene.house.ask("/files/demo-pkg/demo.whl", {"Range": "bytes=1-2"})
    assert (reply.status, reply.body, reply.headers["Content-Range"]) == (206, b"he", "bytes 1-2/5")


async def test_another_connection_knows_it_too(scene: Scene) -> None:
    """What one client asked needs no application for the next one that asks the same."""
    await scene.client.ask(PAGE)
    await scene.client.ask(PAGE)
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.house.server.port)
    other = Client(reader, writer)
    await other.ask(PAGE)
    await other.ask(PAGE)
    writer.close()
    assert len(scene.prepared) <= 2


async def test_nothing_is_older_than_by_the_application(scene: Scene) -> None:
    """A page that changed is told with the next answer."""
    await scene.client.ask(PAGE)
    scene.house.index.add("demo-pkg", File(filename="newer.whl", url=""))
    assert b"newer.whl" in (await scene.client.ask(PAGE)).body


async def test_many_who_ask_at_one_time(scene: Scene) -> None:
    """Requests that come together have one answer each, and those after a change have the changed one."""
    opened = [await asyncio.open_connection("127.0.0.1", scene.house.server.port) for _ in range(20)]
    clients = [Client(reader, writer) for reader, writer in opened]
    for client in clients:
        await client.ask(PAGE)
    scene.prepared.clear()
    for filename in ("second.whl", "third.whl"):
        scene.house.index.add("demo-pkg", File(filename=filename, url=""))
        for client in clients:
            client.writer.write(PAGE)
        replies = [await client.reply() for client in clients]
        assert all(filename.encode() in reply.body for reply in replies)
        assert len({reply.headers["X-Request-ID"] for reply in replies}) == len(clients)
    assert not scene.prepared
    for client in clients:
        client.writer.close()


async def test_what_went_wrong_is_told(scene: Scene) -> None:
    """A page that is stale, failed or gone since is answered as the application answers it, and good again afterwards."""
    good = await scene.client.ask(PAGE)
    scene.house.index.stale_seconds = 7
    assert (await scene.client.ask(PAGE)).headers["X-Wheelkeep-Stale"] == "7"
    scene.house.index.stale_seconds = None
    scene.house.index.failure = Unreachable("feed", "The feed does not answer.")
    assert (await scene.client.ask(PAGE)).status == 503
    scene.house.index.failure = None
    page = scene.house.index.pages.pop(ProjectName("demo-pkg"))
    assert (await scene.client.ask(PAGE)).status == 404
    scene.house.index.pages[page.name] = page
    assert fixed(await scene.client.ask(PAGE)) == fixed(good)


async def test_what_has_to_wait_goes_to_the_application(scene: Scene) -> None:
    """An index that cannot answer at once is waited for as ever."""
    await scene.client.ask(PAGE)
    at_once = scene.house.index.project

    async def slow(name: ProjectName) -> Answer:
        await asyncio.to_thread(int)
        return await at_once(name)

    scene.house.index.project = slow  # type: ignore[method-assign]
    assert (await scene.client.ask(PAGE)).status == 200
    assert len(scene.prepared) == 2


async def test_what_has_to_wait_is_tried_once(scene: Scene) -> None:
    """Of many who ask in one turn for what has to wait, one tries to have it at once, and all have their answer."""
    opened = [await asyncio.open_connection("127.0.0.1", scene.house.server.port) for _ in range(20)]
    clients = [Client(reader, writer) for reader, writer in opened]
    for client in clients:
        await client.ask(PAGE)
    at_once, looks = scene.house.index.project, 0

    async def slow(name: ProjectName) -> Answer:
        nonlocal looks
        looks += 1
        await asyncio.to_thread(int)
        return await at_once(name)

    scene.house.index.project = slow  # type: ignore[method-assign]
    scene.prepared.clear()
    for client in clients:
        client.writer.write(PAGE)
    assert [(await client.reply()).status for client in clients] == [200] * len(clients)
    assert looks - len(scene.prepared) < len(clients) / 2
    for client in clients:
        client.writer.close()


@pytest.mark.parametrize(
    "field",
    [
        b"Range: bytes=0-1",
        b"Authorization: Basic eDp5",
        b"Cookie: a=b",
        b"X-Request-ID: mine",
        b"X-Anything: else",
    ],
)
async def test_who_says_more_is_heard_each_time(scene: Scene, field: bytes) -> None:
    """A request with a range, a credential, an id or a field that is not known is never answered by heart."""
    request = PAGE.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")
    for _ in range(3):
        assert (await scene.client.ask(request)).status == 200
    assert len(scene.prepared) == 3


def with_field(request: bytes, name: str, value: str) -> bytes:
    """Add a header field to a request."""
    return request.replace(b"\r\n\r\n", f"\r\n{name}: {value}\r\n\r\n".encode())


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
async def test_who_has_the_page_is_told_so_alike(scene: Scene, lines: LogCapture, form: str) -> None:
    """The second 304 is the first but for its id, without the application, told alike; a changed page is sent to the same request."""
    page = await scene.client.ask(PAGE)
    request = with_field(PAGE, "If-None-Match", form.format(page.headers["ETag"]))
    scene.prepared.clear()
    lines.entries.clear()
    first, second = await scene.client.ask(request), await scene.client.ask(request)
    assert (first.status, first.body) == (304, b"")
    assert fixed(first) == fixed(second)
    assert set(first.headers) == set(second.headers)
    assert len(scene.prepared) == 1
    told = [{**line, "seconds": 0, "request_id": ""} for line in lines.entries]
    assert told[0] == told[1]
    scene.house.index.add("demo-pkg", File(filename="newer.whl", url=""))
    changed = await scene.client.ask(request)
    assert changed.status == (304 if form == "*" else 200)
    assert (b"newer.whl" in changed.body) is (form != "*")


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"])
async def test_what_a_proxy_adds_changes_nothing(scene: Scene, name: str) -> None:
    """A request that came through a proxy is known by heart as well, and its answer is the one without the proxy."""
    page = await scene.client.ask(PAGE)
    request = with_field(PAGE, name, "1.1 192.0.2.7")
    first, second = await scene.client.ask(request), await scene.client.ask(request)
    assert fixed(page) == fixed(first) == fixed(second)
    assert len(scene.prepared) == 2


@pytest.mark.parametrize("suffix", ["", ".metadata"])
async def test_who_has_the_file_is_told_so_by_the_application(scene: Scene, suffix: str) -> None:
    """A conditional request for a file in memory is 304 each time."""
    held_in_memory(scene.house, b"wheel")
    request = PAGE.replace(b"/simple/demo-pkg/", f"/files/demo-pkg/demo.whl{suffix}".encode())
    tag = (await scene.client.ask(request)).headers["ETag"]
    for _ in range(2):
        assert (await scene.client.ask(with_field(request, "If-None-Match", tag))).status == 304


async def test_a_method_is_not_confused(scene: Scene) -> None:
    """A HEAD after a GET of the same has no body."""
    await scene.client.ask(PAGE)
    scene.client.writer.write(PAGE.replace(b"GET", b"HEAD"))
    head = await scene.client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert await scene.client.rest() == b""


@pytest.mark.parametrize(
    "around",
    [
        b"POST /simple/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
        b"GET /simple/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
        b"GET /simple/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
    ],
)
async def test_a_body_is_no_request(scene: Scene, around: bytes) -> None:
    """Bytes of a body that are a known request, in a piece of their own, are not answered."""
    await scene.client.ask(PAGE)
    await scene.client.ask(around % len(PAGE), PAGE)
    end = b"\r\n0\r\n\r\n" if b"chunked" in around else b""
    scene.client.writer.write(end)
    assert await scene.client.rest() == b""


async def test_a_request_in_pieces_is_one(scene: Scene) -> None:
    """A request that comes in two pieces, of which the second looks like a known one, has the one answer it asks for."""
    await scene.client.ask(PAGE)
    reply = await scene.client.ask(b"GET /simple/none/ HTTP/1.1\r\nHost: a\r\nX: ", PAGE)
    assert reply.status in {400, 404}
    assert b"HTTP/1.1 200" not in await scene.client.rest()


async def test_requests_in_one_piece_are_answered_in_order(scene: Scene) -> None:
    """Two requests that come together have two answers, in their order."""
    await scene.client.ask(PAGE)
    scene.client.writer.write(PAGE.replace(b"demo-pkg", b"none") + PAGE)
    assert [(await scene.client.reply()).status for _ in range(2)] == [404, 200]


async def test_a_request_behind_one_under_way_waits_for_it(scene: Scene) -> None:
    """A known request that comes while another is being answered is answered after it."""
    await scene.client.ask(PAGE)
    reached, gate = asyncio.Event(), asyncio.Event()
    at_once = scene.house.index.project

    async def wait(name: ProjectName) -> Answer:
        reached.set()
        await gate.wait()
        return await at_once(name)

    scene.house.index.project = wait  # type: ignore[method-assign]
    scene.client.writer.write(PAGE.replace(b"demo-pkg", b"none"))
    await reached.wait()
    scene.house.index.project = at_once  # type: ignore[method-assign]
    scene.client.writer.write(PAGE)
    for _ in range(50):
        await asyncio.sleep(0)
    gate.set()
    assert [(await scene.client.reply()).status for _ in range(2)] == [404, 200]


async def test_a_server_that_leaves_answers_nothing_by_heart(scene: Scene) -> None:
    """While the server drains, the application alone decides."""
    await scene.client.ask(PAGE)
    scene.house.app[TRAFFIC].draining = True
    await scene.client.ask(PAGE)
    assert len(scene.prepared) == 2


async def test_a_connection_that_ends_with_its_answer_is_ended(scene: Scene) -> None:
    """Who asks for the end of the connection gets it, also when the request is known."""
    request = PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert (await scene.client.ask(request)).headers["Connection"] == "close"
    assert await scene.client.rest() == b""


async def test_no_client_can_fill_the_memory(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many requests are known and no more, and none that is long."""
    monkeypatch.setattr(front, "MOST_REQUESTS", 3)
    repeats = scene.house.app[REPEATS]
    for number in range(10):
        await scene.client.ask(PAGE.replace(b"text/html", b"text/html;n=%d" % number))
    assert len(repeats._known) == 3
    await scene.client.ask(PAGE.replace(b"text/html", b"text/html;n=" + b"n" * 2048))
    assert len(repeats._known) == 3
