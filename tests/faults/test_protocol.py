"""Upstreams that fail, push back, refuse, point elsewhere or fall silent: F16 to F26."""

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Upstream
from mirror.events import FileLooked, UpstreamCalled
from tests.faults.asking import Answer, until
from tests.faults.scene import KIB, WAYS, Scene, path_of, staged
from tests.mirror.upstream import tls
from tests.simulator import Gate, Simulator, faults
from tests.simulator.faults import Fault
from tests.wheels import wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=1000 * KIB)
WARM = wheel("warm", "1.0")
OPEN = wheel("open", "1.0")
COLD = [wheel(f"cold-{number}", "1.0") for number in range(20)]
AGED = 200.0
NEXT_PAT = "pat-b1d7e2c4-faults"


def says_come_again(answer: Answer, most: int = 60) -> bool:
    """Tell whether an answer says that it is the upstream's fault, and when to come again."""
    return answer.status == 503 and answer.whole and 1 <= int(answer.headers["Retry-After"]) <= most


async def warmed(scene: Scene) -> None:
    """Let a project be known and its file be held, and forget who was asked for them."""
    scene.publish(WARM, metadata=WARM.metadata)
    assert (await scene.page("warm")).status == 200
    assert (await scene.get(WARM)).body == WARM.data
    await scene.quiet()
    scene.feed.forget()


async def still_warm(scene: Scene) -> None:
    """Hold that all of the warm project is served."""
    page = await scene.page("warm")
    assert page.status == 200
    assert [file["filename"] for file in json.loads(page.body)["files"]] == [WARM.filename]
    assert (await scene.get(WARM)).body == WARM.data
    assert (await scene.client.ask(f"{path_of(WARM)}.metadata")).body == WARM.metadata


@pytest.mark.parametrize("code", [500, 503])
async def test_a_burst_of_failures(tmp_path: Path, code: int) -> None:
    """F16: while a feed fails warm projects are served, cold ones get 503, and the feed is asked by single probes alone."""
    async with staged(tmp_path) as scene:
        await warmed(scene)
        for built in COLD:
            scene.publish(built)
        scene.clock.forward(AGED)
        scene.feed.misbehave(faults.status(code))
        for built in COLD:
            assert says_come_again(await scene.page(built.project))
            await still_warm(scene)
        assert len(scene.feed.requests) <= 6
        scene.feed.forget()
        for _ in range(3):
            scene.clock.forward(5.1)
            for built in COLD[:5]:
                assert says_come_again(await scene.page(built.project))
        assert 3 <= len(scene.feed.requests) <= 9
        assert (await scene.health())[0] == "degraded"
        scene.feed.behave()
        scene.clock.forward(5.1)
        assert (await scene.page(COLD[0].project)).status == 200


async def test_a_feed_that_asks_to_be_left_alone(tmp_path: Path) -> None:
    """F17: one 429 with Retry-After is obeyed by all who would ask that feed, and told to clients as a 503 that says when."""
    async with staged(tmp_path) as scene:
        await warmed(scene)
        for built in COLD:
            scene.publish(built)
        scene.clock.forward(AGED)
        scene.feed.misbehave(faults.status(429, retry_after=30))
        answers = [await scene.page(built.project) for built in COLD]
        assert all(says_come_again(answer, 30) for answer in answers)
        await still_warm(scene)
        assert len(scene.feed.requests) == 1
        scene.feed.behave()
        scene.clock.forward(29)
        assert says_come_again(await scene.page(COLD[0].project), 1)
        assert len(scene.feed.requests) == 1
        scene.clock.forward(2)
        assert (await scene.page(COLD[0].project)).status == 200


async def test_a_file_host_that_asks_to_be_left_alone(tmp_path: Path) -> None:
    """F17: a 429 for a file is a 503 that says when to come again, for all who wait for the file, from one request."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        gate = Gate()
        pushed_back = faults.both(faults.status(429, retry_after=20), faults.hold(gate))
        scene.feed.misbehave(pushed_back, scene.blob(LARGE), times=1)
        askings = [await scene.begin(LARGE) for _ in range(5)]
        await until(lambda: len(scene.traffic.busy) == 5)
        gate.open()
        answers = await asyncio.gather(*(asking.rest() for asking in askings))
        assert all(says_come_again(answer, 20) for answer in answers)
        assert len(scene.blobs(LARGE)) == 1
        assert (await scene.get(LARGE)).body == LARGE.data


@pytest.mark.parametrize("code", [500, 502, 503, 504])
async def test_a_file_host_that_fails(tmp_path: Path, code: int) -> None:
    """F16: a file whose host fails is a 503 that says when to come again, is not remembered, and touches no page."""
    async with staged(tmp_path) as scene:
        for built in COLD[:3]:
            scene.publish(built)
        scene.feed.misbehave(faults.status(code), "/signed/*")
        for _ in range(3):
            answers = await asyncio.gather(*(scene.get(built) for built in COLD[:3]))
            assert all(says_come_again(answer) for answer in answers)
        assert (await scene.page(COLD[3].project)).status == 404
        scene.feed.behave()
        assert (await scene.get(COLD[0])).body == COLD[0].data


@pytest.mark.parametrize(
    ("broken", "statuses"),
    [
        pytest.param(faults.status(500), {503}, id="F16-part"),
        pytest.param(faults.cut(1000), {206}, id="F01-part"),
        pytest.param(faults.content_range("bytes 0-1/9"), {503}, id="F09-part"),
        pytest.param(faults.hold(Gate(), at=1000), {206}, id="F26-part"),
    ],
)
async def test_a_part_of_a_large_file_that_breaks(tmp_path: Path, broken: Fault, statuses: set[int]) -> None:
    """A range that the upstream answers for wheelkeep is a failure or breaks off when the upstream does, and then comes right."""
    async with staged(tmp_path, relay_from_bytes=1, between_bytes_seconds=0.5) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(broken, scene.blob(LARGE), times=1)
        part = {"Range": "bytes=100000-299999"}
        answer = await scene.get(LARGE, part)
        assert answer.status in statuses
        assert answer.whole == (answer.status == 503)
        answer = await scene.get(LARGE, part)
        assert (answer.status, answer.body) == (206, LARGE.data[100_000:300_000])
        assert answer.headers["ETag"].startswith('"u-')
        assert scene.told(FileLooked, outcome="relayed") >= 1


@pytest.mark.parametrize("refusal", ["401", "203", "302"])
async def test_credentials_that_expire(tmp_path: Path, refusal: str) -> None:
    """F19: with an expired PAT warm content and other feeds go on, nothing is retried, and a new PAT needs no restart."""
    async with staged(tmp_path) as scene:
        await warmed(scene)
        scene.publish(COLD[0])
        scene.publish(OPEN, on=scene.public)
        assert (await scene.page("open")).status == 200
        scene.clock.forward(AGED)
        scene.feed.shape.refusal = refusal  # type: ignore[assignment]
        scene.pats.append(NEXT_PAT)
        scene.feed.rotate(NEXT_PAT)
        scene.feed.forget()
        answer = await scene.page(COLD[0].project)
        assert says_come_again(answer)
        assert len(scene.feed.requests) == 1
        assert b"feed-pat" in answer.body
        await still_warm(scene)
        word, reasons = await scene.health()
        assert word == "degraded"
        assert "does not accept its credentials" in reasons[0]
        assert scene.told(UpstreamCalled, upstream="feed", outcome="rejected") >= 1
        scene.secret_file.write_text(f"{NEXT_PAT}\n")
        scene.clock.forward(5)
        assert (await scene.page(COLD[0].project)).status == 200
        assert (await scene.get(COLD[0])).body == COLD[0].data


async def test_a_file_that_is_gone_at_the_upstream(tmp_path: Path) -> None:
    """F20: a file that is held is served though its upstream has it no more, and one that is not held is not found."""
    async with staged(tmp_path) as scene:
        await warmed(scene)
        scene.publish(SMALL)
        scene.feed.misbehave(faults.status(404), "/files/*")
        await still_warm(scene)
        assert (await scene.get(SMALL)).status == 404
        scene.feed.behave()
        assert (await scene.get(SMALL)).body == SMALL.data


async def test_a_project_that_is_gone_is_nobody_elses(tmp_path: Path) -> None:
    """F20: a project that its feed has no more is not found, is not taken from a later source, and comes back within a minute."""
    async with staged(tmp_path) as scene:
        await warmed(scene)
        bait = wheel("warm", "99.0")
        scene.public.add("warm", bait.filename, bait.data)
        scene.forbidden.add(bait.filename)
        scene.clock.forward(AGED)
        scene.feed.misbehave(faults.status(404), "/simple/warm/")
        assert (await scene.page("warm")).status in {
            200,
            404,
        }  # by how quickly the feed answers: what has aged is served once more
        await until(lambda: scene.told(UpstreamCalled, outcome="not_found") > 0)
        assert (await scene.page("warm")).status == 404
        assert (await scene.client.ask(f"/files/warm/{bait.filename}")).status == 404
        assert scene.public.count("page", "/simple/warm/") == 0
        scene.feed.behave()
        scene.clock.forward(61)
        await still_warm(scene)


ELSEWHERE: list[Any] = [
    pytest.param(lambda stranger: f"{stranger.url}/files/demo/{LARGE.filename}", id="F21-other-host"),
    pytest.param(lambda _: "http://169.254.169.254/latest/meta-data/", id="F21-metadata-service"),
    pytest.param(lambda _: "http://[fe80::1]/x", id="F21-link-local"),
    pytest.param(lambda _: "http://10.0.0.1/x", id="F21-private"),
    pytest.param(lambda _: "http://2130706433/x", id="F21-disguised"),
    pytest.param(lambda _: "file:///etc/passwd", id="F21-scheme"),
    pytest.param(lambda stranger: f"http://user:word@{stranger.index_host}/x", id="F21-userinfo"),
]


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_a_redirect_to_where_nobody_allowed(tmp_path: Path, where: Callable[[Simulator], str]) -> None:
    """F21: a redirect to a host that no operator named is refused with the rule, and that host hears nothing."""
    async with Simulator() as stranger, staged(tmp_path) as scene:
        stranger.add("demo", LARGE.filename, LARGE.data)
        scene.publish(LARGE)
        scene.forbidden.add(LARGE.filename)
        scene.feed.misbehave(faults.redirect(where(stranger)), "/files/*")
        answer = await scene.get(LARGE)
        assert answer.status == 403
        assert stranger.history == []
        assert scene.told(UpstreamCalled, outcome="refused") == 1


async def test_a_redirect_loses_the_credentials(tmp_path: Path) -> None:
    """F21: the PAT goes to the feed's own host on every request and not along with a redirect to its file host."""
    async with staged(tmp_path) as scene:
        scene.publish(LARGE)
        assert (await scene.get(LARGE)).body == LARGE.data
        assert all(asked.authorization for asked in scene.feed.history if asked.host == "index")
        assert [asked.authorization for asked in scene.feed.asked("blob")] == [None]


async def test_a_redirect_that_does_not_end(tmp_path: Path) -> None:
    """F21: a redirect that leads to itself is given up after a few hops, as the upstream's failure."""
    async with staged(tmp_path) as scene:
        scene.publish(SMALL)
        scene.feed.misbehave(faults.redirect_loop(), "/files/*")
        assert says_come_again(await scene.get(SMALL))
        assert scene.feed.count("file") <= 6


async def test_a_certificate_that_nobody_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F24: an untrusted certificate fails closed by the upstream's name; with a new bundle no restart is needed."""
    monkeypatch.setattr("mirror.upstream.trust.RELOAD_SECONDS", 0)
    scene_folder, tls_folder = tmp_path / "scene", tmp_path / "tls"
    scene_folder.mkdir()
    tls_folder.mkdir()
    async with tls.serving(tls_folder) as url:
        first = (Upstream(name="secure", url=url),)
        async with staged(scene_folder, before=first) as scene:
            scene.generations["demo"] = [frozenset()]
            answer = await scene.page("demo")
            assert says_come_again(answer)
            assert b"'secure'" in answer.body
            assert b"not trusted" in answer.body
            assert scene.feed.history == []
            monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate_in(tls_folder)))
            assert isinstance(ssl.create_default_context(), ssl.SSLContext)
            assert (await scene.page("demo")).status == 200


async def test_a_stall_before_the_answer(tmp_path: Path) -> None:
    """F26: an upstream that takes a request and says nothing has failed when its time is over, for all who wait."""
    async with staged(tmp_path, connect_seconds=0.5, first_byte_seconds=0.5) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(faults.hold(Gate()), scene.blob(LARGE))
        answers = await asyncio.gather(*(scene.get(LARGE) for _ in range(5)))
        assert all(says_come_again(answer) for answer in answers)
        assert len(scene.blobs(LARGE)) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(faults.hold(Gate(), at=0), id="F26-after-headers"),
        pytest.param(faults.hold(Gate(), at=100 * KIB), id="F26-in-the-middle"),
        pytest.param(faults.trickle(0.02), id="F26-trickle"),
    ],
)
async def test_a_body_that_falls_silent_or_trickles(tmp_path: Path, slow: Fault, way: str) -> None:
    """F26: a body that stalls or trickles is left after its time and continued on another connection; nobody who reads fails."""
    async with staged(
        tmp_path,
        between_bytes_seconds=0.5,
        slow_window_seconds=0.5,
        slow_bytes_per_second=64 * KIB,
        **WAYS[way],
    ) as scene:
        scene.publish(LARGE)
        scene.feed.misbehave(slow, scene.blob(LARGE), times=1)
        answers = await asyncio.gather(*(scene.get(LARGE) for _ in range(5)))
        assert all(answer.body == LARGE.data for answer in answers)
        assert scene.told(UpstreamCalled, outcome="unreachable") == 1
        assert scene.pulled(LARGE) <= len(LARGE.data) + 100 * KIB


async def test_a_page_that_stalls(tmp_path: Path) -> None:
    """F26: a page that does not come is a failure within `page_seconds`: what is held is served as stale, the rest is a 503."""
    async with staged(tmp_path, page_seconds=0.5) as scene:
        await warmed(scene)
        scene.publish(COLD[0])
        scene.clock.forward(AGED)
        scene.feed.misbehave(faults.hold(Gate(), at=10), "/simple/*")
        scene.feed.held.projects["warm"].status = {"status": "archived"}  # so that the page is another one
        await still_warm(scene)
        assert says_come_again(await scene.page(COLD[0].project))
