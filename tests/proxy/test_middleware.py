"""What surrounds a request: its id, its line in the log, and failures as answers."""

import asyncio

import msgspec
import pytest
from structlog.testing import LogCapture

from mirror.errors import (
    Corrupt,
    Invalid,
    Refused,
    Rejected,
    StoreError,
    Throttled,
    Unreachable,
    WheelkeepError,
)
from mirror.model import File
from tests.proxy.memory import House
from tests.proxy.test_metrics import figure, figures


async def test_a_request_id_is_made_and_told(house: House) -> None:
    """Every answer names its request, and no two requests have one name."""
    first, second = await house.ask("/healthz"), await house.ask("/nowhere")
    assert first.headers["X-Request-ID"]
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [("a-b_c.1", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("<x>", False), ("é", False)],
)
async def test_only_a_sane_request_id_is_taken_over(house: House, given: str, *, taken: bool) -> None:
    """A client's request id is used when it is short and plain; else there is a new one."""
    reply = await house.ask("/healthz", {"X-Request-ID": given})
    assert (reply.headers["X-Request-ID"] == given) is taken


async def test_every_request_is_one_line(house: House, lines: LogCapture) -> None:
    """The access line tells method, path without query, status, bytes, seconds, client, index, source and outcome."""
    house.index.add("demo-pkg", File(filename="demo.whl", url=""))
    reply = await house.ask("/simple/demo-pkg/?format=text/html&token=hush", {"X-Request-ID": "id-7"})
    [line] = [entry for entry in lines.entries if entry["event"] == "request"]
    assert line["seconds"] > 0
    assert {**line, "seconds": 0} == {
        "event": "request",
        "log_level": "info",
        "request_id": "id-7",
        "method": "GET",
        "path": "/simple/demo-pkg/",
        "status": 200,
        "bytes": len(reply.body),
        "seconds": 0,
        "client": "127.0.0.1",
        "index": "default",
        "source": "memory",
        "outcome": "fresh",
        "reason": None,
    }
    assert "hush" not in str(lines.entries)


async def test_probes_are_quiet(house: House, lines: LogCapture) -> None:
    """What a prober asks every few seconds is told for debugging only."""
    await house.ask("/healthz")
    assert [entry["log_level"] for entry in lines.entries] == ["debug"]


async def test_a_client_that_left_is_told_as_gone(house: House, lines: LogCapture) -> None:
    """A client that goes away before its answer has one line, with 499, and no error."""
    reached, gate = asyncio.Event(), asyncio.Event()

    async def wait(_name: object) -> object:
        reached.set()
        await gate.wait()
        raise AssertionError("The view went on after its client left.")

    house.index.project = wait  # type: ignore[assignment, method-assign]
    _, writer = await house.open("/simple/demo-pkg/")
    await reached.wait()
    writer.transport.abort()
    for _ in range(500):
        if lines.entries:
            break
        await asyncio.sleep(0.01)
    assert [(line["status"], line["outcome"], line["log_level"]) for line in lines.entries] == [
        (499, "gone", "info")
    ]
    assert await asyncio.to_thread(figure, house.metrics, "wheelkeep_requests_in_flight") == 0


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Refused("It is blocked."), 403),
        (Corrupt("The bytes are wrong."), 424),
        (Invalid("It is malformed."), 400),
        (Unreachable("feed", "The feed does not answer."), 503),
        (Rejected("feed", "The feed does not accept the credentials."), 503),
        (Throttled("feed", "The feed asks for patience.", retry_after=30), 503),
        (StoreError("The disk is full."), 503),
    ],
)
@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/", "/files/demo-pkg/demo.whl"])
async def test_a_failure_is_a_proper_answer(
    house: House, path: str, failure: WheelkeepError, status: int
) -> None:
    """On every route a failure is its status, with its sentence as body and reason phrase, and may not be stored."""
    house.index.failure = failure
    reply = await house.ask(path)
    assert (reply.status, reply.reason, reply.body) == (status, str(failure), f"{failure}\n".encode())
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert ("Retry-After" in reply.headers) is (status == 503)
    assert "ETag" not in reply.headers
    assert "WWW-Authenticate" not in reply.headers


async def test_a_failure_can_be_read_by_machines(house: House) -> None:
    """Who accepts JSON gets the failure as RFC 9457, with the id of the request."""
    house.index.failure = Unreachable("feed", "The feed does not answer.")
    asked = {"Accept": "application/vnd.pypi.simple.v1+json", "X-Request-ID": "id-3"}
    reply = await house.ask("/simple/demo-pkg/", asked)
    document = msgspec.json.decode(reply.body)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert (document["status"], document["detail"]) == (503, "The feed does not answer.")
    assert document["request_id"] == "id-3"


async def test_a_sentence_cannot_write_headers(house: House) -> None:
    """Line breaks and foreign letters in a sentence stay out of the status line."""
    house.index.failure = Refused("No.\r\nX-Evil: 1\r\n\r\n<b>☃")
    reply = await house.ask("/simple/demo-pkg/")
    assert reply.reason == "No. X-Evil: 1 <b>?"
    assert "X-Evil" not in reply.headers


async def test_the_unexpected_is_500_and_tells_nothing(house: House, lines: LogCapture) -> None:
    """A bug is a 500 that names the request id; what went wrong stands in the log alone."""
    house.index.failure = ZeroDivisionError("secret-detail")
    reply = await house.ask("/simple/demo-pkg/", {"X-Request-ID": "id-5"})
    assert reply.status == 500
    assert b"id-5" in reply.body
    assert b"secret-detail" not in reply.body
    assert b"Traceback" not in reply.body
    told = [entry for entry in lines.entries if entry["log_level"] == "error"]
    assert [entry["request_id"] for entry in told] == ["id-5"]
    assert "secret-detail" in repr(told[0]["exc_info"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/simple/", "/simple/demo-pkg/", "/files/demo-pkg/demo.whl", "/healthz"])
async def test_other_methods_are_405(house: House, path: str, method: str) -> None:
    """A method that there is not is 405 with those that there are."""
    reply = await house.ask(path, method=method)
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_an_expectation_that_is_unknown_is_417(house: House) -> None:
    """A request that expects what there is not is refused properly, and the server goes on."""
    assert (await house.ask("/healthz", {"Expect": "miracles"})).status == 417
    assert (await house.ask("/healthz")).status == 200


async def test_requests_are_counted_by_view_and_status(house: House) -> None:
    """Each request moves the counter of its view, and no path becomes a label."""
    house.index.add("demo-pkg")
    for path in ("/simple/", "/simple/demo-pkg/", "/simple/none/", "/nowhere", "/simple/-bad-/"):
        await house.ask(path)
    counted = {
        (labels["view"], labels["status"]): value
        for (name, pairs), value in (await asyncio.to_thread(figures, house.metrics)).items()
        if name == "wheelkeep_requests_total"
        for labels in [dict(pairs)]
    }
    assert counted == {("root", "200"): 1, ("project", "200"): 1, ("project", "404"): 2, ("none", "404"): 1}


async def test_sent_bytes_are_bodies(house: House) -> None:
    """The bytes that are counted are those of bodies that were sent: none for a HEAD."""
    house.index.add("demo-pkg")
    reply = await house.ask("/simple/demo-pkg/")
    await house.ask("/simple/demo-pkg/", method="HEAD")
    sent = await asyncio.to_thread(figure, house.metrics, "wheelkeep_sent_bytes_total", view="project")
    assert sent == len(reply.body)
