"""Bodies of the upstream that are cut, wrong, too long or not what they should be: F01 to F14."""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mirror.events import FlightEnded, PageLooked, UpstreamCalled
from tests.faults.asking import Answer
from tests.faults.invariants import HOLD_BACK_BYTES
from tests.faults.scene import KIB, WAYS, path_of, staged
from tests.simulator import Asked, Gate, Reply, faults
from tests.simulator.faults import Fault
from tests.simulator.files import digest
from tests.simulator.pages import JSON
from tests.simulator.shape import Format
from tests.wheels import BuiltFile, wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=1000 * KIB)
CUT = 100 * KIB
AGED = 200.0
"""Seconds after which a page is not served without asking."""


@dataclass
class Unending:
    """Every answer about a file breaks: the whole one at an offset, and none that continues it begins."""

    at: int
    chunked: bool = False

    def __call__(self, reply: Reply) -> Reply:
        """Cut what is asked for from the beginning, and reset the rest."""
        if reply.status == 206:
            return faults.reset(0)(reply)
        return faults.cut(self.at, chunked=self.chunked)(reply)


def begins_at(asked: Asked, at: int) -> bool:
    """Tell whether a request is for a range from an offset on."""
    return asked.headers.get("Range", "").startswith(f"bytes={at}-")


def is_sane_refusal(answer: Answer) -> bool:
    """Tell whether an answer says that it is the upstream's fault, and when to come again."""
    return answer.status == 503 and answer.whole and 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(faults.cut(CUT), id="F01-closed"),
        pytest.param(faults.cut(CUT, chunked=True), id="F01-chunks"),
        pytest.param(faults.reset(CUT), id="F01-reset"),
    ],
)
async def test_a_body_that_ends_early_is_continued(tmp_path: Path, broken: Fault, way: str) -> None:
    """F01: what breaks off is asked for from where it stopped, of the very file, and the client sees nothing of it."""
    async with staged(tmp_path, **WAYS[way]) as scene:
        scene.publish(LARGE)
        gate = Gate()
        scene.feed.misbehave(faults.both(faults.hold(gate, at=CUT), broken), scene.blob(LARGE), times=1)
        asking = await scene.begin(LARGE)
        assert await asking.some(CUT) == LARGE.data[:CUT]
        gate.open()
        answer = await asking.rest()
        assert answer.body == LARGE.data
        [continued] = [each for each in scene.feed.asked("blob") if begins_at(each, CUT)]
        assert continued.headers["If-Range"] == f'"{LARGE.sha256[:32]}"'
        assert scene.pulled(LARGE) == len(LARGE.data)
        await scene.quiet()
        assert scene.held(LARGE)


@pytest.mark.parametrize("way", WAYS)
async def test_a_body_that_never_comes_is_given_up(tmp_path: Path, way: str) -> None:
    """F01: what breaks again and again is asked for a few times, breaks off at the client, and leaves nothing behind."""
    async with staged(tmp_path, **WAYS[way]) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(Unending(600 * KIB), scene.blob(LARGE))
        answer = await scene.get(LARGE)
        assert not answer.whole
        assert len(answer.body) <= 600 * KIB
        assert len(scene.blobs(LARGE)) <= (40 if way == "segments" else 4)
        await scene.quiet()
        assert not scene.held(LARGE)
        assert scene.told(FlightEnded, outcome="failed") == 1
        scene.feed.behave()
        assert (await scene.get(LARGE)).body == LARGE.data


async def test_a_body_of_unknown_length_that_never_comes(tmp_path: Path) -> None:
    """F01: where nobody knows how long a file is, what breaks off does not end as if it were whole."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE, size=None)
        scene.feed.misbehave(Unending(600 * KIB, chunked=True), scene.blob(LARGE))
        answer = await scene.get(LARGE)
        assert (answer.status, answer.headers["Transfer-Encoding"], answer.whole) == (200, "chunked", False)


async def test_a_file_with_a_coding(tmp_path: Path) -> None:
    """F03: a file that the upstream has compressed on the way is refused: nobody could tell which bytes were meant."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.gzip_file(), scene.blob(LARGE))
        assert is_sane_refusal(await scene.get(LARGE))
        scene.feed.behave()
        assert (await scene.get(LARGE)).body == LARGE.data


async def test_a_small_body_that_never_comes_is_a_status(tmp_path: Path) -> None:
    """F01: a small file that cannot be had whole is refused before its first byte, as the upstream's failure."""
    async with staged(tmp_path) as scene:
        scene.publish(SMALL)
        scene.feed.misbehave(faults.cut(200), scene.blob(SMALL))
        assert is_sane_refusal(await scene.get(SMALL))


def halved(fault: Callable[[int], Fault]) -> Fault:
    """Make a fault that strikes in the middle of a body, whatever its length."""
    return lambda reply: fault(len(reply.body) // 2)(reply)


def between_links(reply: Reply) -> Reply:
    """Give half of a page's links, each of them whole, and close the connection."""
    return faults.until_closed(reply.body.index(b"<br>", len(reply.body) // 2))(reply)


def between_links_coded(reply: Reply) -> Reply:
    """Give half of a page's links, each of them whole, in a gzip stream that lacks its end."""
    half = gzip.compress(between_links(reply).body)[:-8]
    return replace(reply, body=half).with_headers(Content_Encoding="gzip")


PORTAL = faults.say(b"<html><body>Welcome! <a href='/pay'>Pay</a></body></html>")
BROKEN_PAGES = [
    pytest.param(halved(faults.gzip_cut), "json", True, id="F03-json-gzip"),
    pytest.param(halved(faults.gzip_cut), "html", True, id="F03-html-gzip"),
    pytest.param(halved(faults.cut), "json", False, id="F03-json-cut"),
    pytest.param(halved(faults.until_closed), "json", False, id="F03-json-without-end"),
    pytest.param(halved(faults.until_closed), "html", False, id="F03-html-without-end"),
    pytest.param(halved(faults.until_closed), "html", True, id="F03-html-gzip-without-end"),
    pytest.param(between_links, "html", False, id="F03-html-between-links"),
    pytest.param(between_links_coded, "html", False, id="F03-html-gzip-between-links"),
    pytest.param(faults.sign_in_page(203), "json", False, id="F05-203"),
    pytest.param(faults.sign_in_page(200), "html", False, id="F05-sign-in"),
    pytest.param(faults.redirect("/_signin?realm=x"), "json", False, id="F05-302"),
    pytest.param(faults.redirect("http://10.0.0.1/portal"), "json", False, id="F05-elsewhere"),
    pytest.param(PORTAL, "json", False, id="F05-portal"),
    pytest.param(PORTAL, "html", False, id="F05-portal-html"),
    pytest.param(faults.say(b"{}", JSON), "json", False, id="F05-empty-document"),
    pytest.param(faults.say(b""), "html", False, id="F05-nothing"),
]


@pytest.mark.parametrize(("broken", "form", "coded"), BROKEN_PAGES)
async def test_a_page_that_is_none_never_shrinks_a_project(
    tmp_path: Path, broken: Fault, form: Format, *, coded: bool
) -> None:
    """F03, F05: what is not a whole page is a failure: the last page is served as stale, and without one 503 is said."""
    async with staged(tmp_path) as scene:
        scene.feed.shape.formats, scene.feed.shape.gzip_pages = (form,), coded
        for number in range(60):
            for project in ("demo", "cold"):
                scene.publish(BuiltFile(f"{project}-0.{number}.tar.gz", f"0.{number}", SMALL.data, b""))
        scene.publish(SMALL)
        assert (await scene.page("demo")).status == 200
        scene.publish(LARGE)
        scene.clock.forward(AGED)
        scene.feed.misbehave(broken, "/simple/*")
        page = await scene.page("demo")
        assert page.status == 200
        assert page.headers["X-Wheelkeep-Stale"] == str(int(AGED))
        assert is_sane_refusal(await scene.page("cold"))
        assert (await scene.health())[0] == "degraded"
        assert scene.told(PageLooked, outcome="stale") == 1
        assert (await scene.get(SMALL)).body == SMALL.data
        scene.feed.behave()
        scene.clock.forward(AGED)
        assert LARGE.filename.encode() in (await scene.page("demo")).body


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", [0, 500 * KIB, len(LARGE.data) - 1], ids=["first", "middle", "last"])
async def test_a_wrong_byte_is_never_completed(tmp_path: Path, at: int, way: str) -> None:
    """F07: a file with a wrong byte breaks off before its last 64 KiB, is told with both digests, and is then refused."""
    async with staged(tmp_path, **WAYS[way]) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.flip(at), scene.blob(LARGE))
        for _ in range(2):
            answer = await scene.get(LARGE)
            assert (answer.status, answer.whole) == (200, False)
            assert len(answer.body) <= len(LARGE.data) - HOLD_BACK_BYTES
            await scene.quiet()
        asked = len(scene.blobs(LARGE))
        answer = await scene.get(LARGE)
        assert answer.status == 424
        assert "Retry-After" not in answer.headers
        assert len(scene.blobs(LARGE)) == asked
        assert scene.told(FlightEnded, outcome="corrupt") == 2
        assert not scene.held(LARGE)
        assert len(set(re.findall("[0-9a-f]{64}", answer.body.decode()))) == 2
        assert LARGE.sha256 in scene.log.getvalue()


async def test_a_small_wrong_file_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    """F07: nobody sees a byte of a small file that is wrong, and when it comes right it is served at once."""
    async with staged(tmp_path) as scene:
        scene.publish(SMALL)
        scene.feed.misbehave(faults.flip(100), scene.blob(SMALL), times=1)
        assert (await scene.get(SMALL)).status == 424
        assert (await scene.get(SMALL)).body == SMALL.data


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(faults.ignoring_ranges(), id="F09-whole"),
        pytest.param(
            faults.content_range(f"bytes 0-{len(LARGE.data) - 1}/{len(LARGE.data)}"), id="F09-start"
        ),
        pytest.param(faults.content_range(f"bytes 7-8/{len(LARGE.data)}"), id="F09-elsewhere"),
        pytest.param(faults.content_range("bytes 0-1/9"), id="F09-other-size"),
        pytest.param(faults.without_headers("Content-Range"), id="F09-untold"),
        pytest.param(faults.headers({"ETag": '"another"'}), id="F10-other-tag"),
    ],
)
async def test_a_continuation_that_lies_is_not_glued(tmp_path: Path, lie: Fault, way: str) -> None:
    """F09, F10: whatever a range is answered with, the client has the right file or a broken one, and the next has it."""
    async with staged(tmp_path, **WAYS[way]) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.cut(600 * KIB), scene.blob(LARGE), times=1)
        scene.feed.misbehave(lie, scene.blob(LARGE))
        answer = await scene.get(LARGE)
        assert answer.body == LARGE.data or not answer.whole
        await scene.quiet()
        scene.feed.behave()
        assert (await scene.get(LARGE)).body == LARGE.data


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("known", [{}, {"hashes": {}}], ids=["F10-listed", "F10-unlisted"])
async def test_a_file_that_is_replaced_under_way(tmp_path: Path, known: dict[str, Any], way: str) -> None:
    """F10: who had bytes of the old file is broken off, nothing is kept, and the next one gets the new file."""
    old, new = (BuiltFile("demo-2.0.tar.gz", "2.0", each * len(LARGE.data), b"") for each in (b"o", b"n"))
    async with staged(tmp_path, page_max_age_seconds=0, **WAYS[way]) as scene:
        scene.publish(old, **known)
        gate = Gate()
        under_way = faults.both(faults.hold(gate, at=CUT), faults.cut(CUT))
        scene.feed.misbehave(under_way, scene.blob(old), times=1)
        asking = await scene.begin(old)
        assert await asking.some(CUT) == old.data[:CUT]
        scene.publish(new, **known)
        gate.open()
        assert not (await asking.rest()).whole
        await scene.quiet()
        assert not scene.held(old)
        assert (await scene.get(new)).body == new.data


async def test_a_good_tail_is_not_glued_to_a_bad_head(tmp_path: Path) -> None:
    """F10: a client that goes on with what it had of a bad stream gets the good file from its beginning, under another tag."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.flip(100), scene.blob(LARGE), times=1)
        bad = await scene.get(LARGE)
        assert bad.headers["ETag"].startswith('"u-')
        await scene.quiet()
        going_on = {"Range": f"bytes={len(bad.body)}-", "If-Range": bad.headers["ETag"]}
        good = await scene.get(LARGE, going_on)
        assert (good.status, good.body) == (200, LARGE.data)
        await scene.quiet()
        again = await scene.get(LARGE, going_on)
        assert (again.status, again.headers["ETag"]) == (200, f'"{LARGE.sha256}"')


@pytest.mark.parametrize("announced", [True, False], ids=["F12-announced", "F12-endless"])
async def test_a_body_that_does_not_end(tmp_path: Path, *, announced: bool) -> None:
    """F12: of a body that is longer than the index says no more is taken than that, and nothing of it is kept."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        endless = faults.longer(100 * len(LARGE.data))
        scene.feed.misbehave(
            endless if announced else faults.both(endless, faults.chunked()), scene.blob(LARGE)
        )
        answer = await scene.get(LARGE)
        assert answer.status == 424 or (answer.status == 200 and not answer.whole and not announced)
        await scene.quiet()
        received = sum(event.received for event in scene.events if isinstance(event, UpstreamCalled))
        assert received < 3 * len(LARGE.data)
        assert not scene.held(LARGE)


@pytest.mark.parametrize("announced", [True, False], ids=["F12-announced", "F12-endless"])
async def test_a_file_beyond_the_limit(tmp_path: Path, *, announced: bool) -> None:
    """F12: a file of which nobody knows the size is taken up to `max_file_bytes`, refused there, and not kept."""
    async with staged(tmp_path, max_file_bytes=300 * KIB) as scene:
        scene.publish(LARGE, size=None, hashes={})
        scene.forbidden.add(LARGE.filename)
        if not announced:
            scene.feed.misbehave(faults.chunked(), scene.blob(LARGE))
        answer = await scene.get(LARGE)
        assert answer.status == 403 or (answer.status == 200 and not answer.whole and not announced)
        assert "max_file_bytes" in scene.log.getvalue()


@pytest.mark.parametrize("first", [False, True], ids=["cold", "held"])
async def test_metadata_that_is_not_the_wheels(tmp_path: Path, *, first: bool) -> None:
    """F14: a sidecar that is not what was listed is not served, but the metadata of the wheel itself, cold and warm."""
    async with staged(tmp_path) as scene:
        evil = SMALL.metadata + b"Requires-Dist: evil\n"
        scene.publish(SMALL, metadata=evil, core_metadata={"sha256": digest(SMALL.metadata)})
        if first:
            assert (await scene.get(SMALL)).body == SMALL.data
        answer = await scene.client.ask(f"{path_of(SMALL)}.metadata")
        assert (answer.status, answer.body) == (200, SMALL.metadata)


async def test_metadata_that_disagree_with_a_held_wheel(tmp_path: Path) -> None:
    """F14: what an index lists of a wheel's metadata is not believed when the wheel is here and says otherwise."""
    async with staged(tmp_path) as scene:
        evil = SMALL.metadata + b"Requires-Dist: evil\n"
        scene.publish(SMALL, metadata=evil)
        assert (await scene.get(SMALL)).body == SMALL.data
        await scene.quiet()
        answer = await scene.client.ask(f"{path_of(SMALL)}.metadata")
        assert (answer.status, answer.body) == (200, SMALL.metadata)
        assert digest(evil).encode() not in (await scene.page("demo")).body
