"""An upstream that is down is found out after a few requests and then only probed; what is held is served meanwhile."""

import pytest

from mirror.errors import ProjectNotFound, Unreachable
from mirror.indexes import UpstreamIndex
from mirror.ledger import StoreLedger
from mirror.names import ProjectName
from mirror.stores.memory import MemoryStore
from mirror.upstream.breaker import FAILURES, PROBE_SECONDS, NotTried
from mirror.upstream.client import UpstreamClient
from mirror.upstream.limits import Limits
from tests.mirror.upstream.conftest import Bench
from tests.simulator import Simulator, faults

DEMO = ProjectName("demo")
ONCE = Limits(page_attempts=1)


async def _break(client: UpstreamClient) -> None:
    for _ in range(FAILURES):
        with pytest.raises(Unreachable):
            await client.fetch_page(DEMO)


@pytest.mark.parametrize("code", [500, 502, 503, 504])
async def test_a_burst_of_errors_falls_to_probes(bench: Bench, code: int) -> None:
    """F16: after five failures in a row nothing is sent but a probe in five seconds; the others fail at once, and say when to retry."""
    async with Simulator() as feed:
        feed.add("demo", "demo-1.tar.gz", b"demo")
        feed.misbehave(faults.status(code))
        client = bench.client(feed.simple_url, limits=ONCE)
        await _break(client)
        assert feed.count() == FAILURES
        for _ in range(12):
            for _ in range(20):
                with pytest.raises(NotTried, match=f"HTTP {code}.*in a row") as refused:
                    await client.fetch_page(DEMO)
                assert refused.value.retry_after == PROBE_SECONDS
            bench.now += PROBE_SECONDS
            with pytest.raises(Unreachable):
                await client.fetch_page(DEMO)
        assert feed.count() == FAILURES + 12
        assert bench.outcomes == [("page", "unreachable")] * (FAILURES + 12)
        feed.behave()
        bench.now += PROBE_SECONDS
        for _ in range(3):
            assert await client.fetch_page(DEMO) is not None


async def test_no_answer_counts_as_well(bench: Bench) -> None:
    """A server that nobody listens on any more is down after five attempts, and up again with the first probe."""
    async with Simulator() as feed:
        feed.add("demo", "demo-1.tar.gz", b"demo")
        client = bench.client(feed.simple_url, limits=ONCE)
        await feed.stop()
        await _break(client)
        with pytest.raises(NotTried):
            await client.fetch_list()
        await feed.start()
        with pytest.raises(NotTried):
            await client.fetch_page(DEMO)
        bench.now += PROBE_SECONDS
        assert await client.fetch_page(DEMO) is not None


async def test_only_failures_in_a_row_count(bench: Bench) -> None:
    """An answer, whatever it says, begins the count anew; so the page that always fails keeps nobody from the others."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(500), "*/demo/")
        client = bench.client(feed.simple_url, limits=ONCE)
        for _ in range(2 * FAILURES):
            with pytest.raises(Unreachable):
                await client.fetch_page(DEMO)
            with pytest.raises(ProjectNotFound):
                await client.fetch_page(ProjectName("other"))
        assert feed.count("page", "*/demo/") == 2 * FAILURES


async def test_a_page_that_makes_no_sense_is_no_outage(bench: Bench) -> None:
    """What cannot be understood is a failure of that page alone."""
    async with Simulator() as feed:
        feed.misbehave(faults.say(b"<p>hello"))
        client = bench.client(feed.simple_url, limits=ONCE)
        for _ in range(2 * FAILURES):
            with pytest.raises(Unreachable):
                await client.fetch_page(DEMO)
        assert feed.count() == 2 * FAILURES


async def test_a_file_host_fails_for_itself(bench: Bench) -> None:
    """A host of files that is down is no reason not to ask the index."""
    async with Simulator(files_on="files") as feed:
        feed.add("demo", "demo-1.tar.gz", b"demo")
        feed.misbehave(faults.status(503), host="files")
        client = bench.client(feed.simple_url, limits=ONCE, file_hosts=[feed.file_host])
        for _ in range(2 * FAILURES):
            with pytest.raises(Unreachable):
                async with client.open_file(feed.file_url("demo", "demo-1.tar.gz")):
                    pass
        assert await client.fetch_page(DEMO) is not None


async def test_a_clock_that_is_set_back_keeps_nobody_out(bench: Bench) -> None:
    """After the clock was set back the next request is a probe."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(503), times=FAILURES)
        client = bench.client(feed.simple_url, limits=ONCE)
        await _break(client)
        bench.now -= 86_400
        with pytest.raises(ProjectNotFound):
            await client.fetch_page(DEMO)


async def test_what_is_held_is_served_meanwhile(bench: Bench) -> None:
    """F16: while cold projects are refused at once, warm ones are served, marked, however often they are asked for."""
    async with Simulator() as feed:
        feed.add("demo", "demo-1.tar.gz", b"demo")
        client = bench.client(feed.simple_url, limits=ONCE)
        store = MemoryStore()
        source = UpstreamIndex(
            "feed",
            client,
            store,
            StoreLedger(store),
            clock=lambda: bench.now,
            home=feed.simple_url,
            page_max_age_seconds=0,
        )
        await source.project(DEMO)
        feed.misbehave(faults.status(503))
        for number in range(2 * FAILURES):
            with pytest.raises(Unreachable):
                await source.project(ProjectName(f"cold{number}"))
            bench.now += 0.1
            assert (await source.project(DEMO)).stale_seconds is not None
        await source.aclose()
        assert feed.count() <= 1 + FAILURES
