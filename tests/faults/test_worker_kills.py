"""A worker that is killed among two: who is served by the other notices nothing, and nothing of the dead one stays."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from tests.faults.mortal import Nursery, Server, configure, journal
from tests.faults.points import Fate
from tests.faults.remains import judge_ended, judge_running
from tests.faults.streams import Stream
from tests.faults.whose import leader, worker_of
from tests.simulator import Gate, Simulator, faults
from tests.wheels import wheel

LARGE = wheel("demo", "2.0", size=1_000_000)
PATH = f"/files/demo/{LARGE.filename}"
HELD_AT = 600_000
"""So many bytes come before the upstream waits."""
CLIENTS = 12
"""Enough for some of them to come to each worker."""
AT_ONCE = 3
"""Servers side by side."""


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give a feed with one file."""
    async with Simulator() as feed:
        feed.add(LARGE.project, LARGE.filename, LARGE.data)
        yield feed


@asynccontextmanager
async def two_workers(nursery: Nursery, folder: Path, feed: Simulator, fate: Fate) -> AsyncIterator[Server]:
    """Run a server with two workers; it is told to leave and does, and the next one finds nothing of it."""
    configure(folder, feed, workers=2)
    async with nursery.serving(folder, fate) as server:
        yield server
        server.leave()
        assert await server.ended() == 0
    assert list((folder / "tmp").iterdir()) == []
    configure(folder, feed)  # one worker, so that it resolves every doubt
    async with nursery.serving(folder) as server:
        judge_running(folder / "data")
        answer = await server.ask(PATH)
        assert answer is not None
        assert answer.body == LARGE.data
        server.leave()
        assert await server.ended() == 0
    judge_ended(folder / "data")


@pytest.mark.parametrize("killed", ["leader", "follower"])
async def test_a_worker_is_killed_while_both_give_a_cold_file(
    nursery: Nursery, feed: Simulator, tmp_path: Path, killed: str
) -> None:
    """Clients of the worker that lives have the whole file, and the upstream is asked for what was missing alone (F31, F32)."""
    gate = Gate()
    feed.misbehave(faults.hold(gate, at=HELD_AT), "*.whl", times=1)
    async with two_workers(nursery, tmp_path / "house", feed, Fate()) as server:
        streams = [await Stream.begin(server, PATH, HELD_AT) for _ in range(CLIENTS)]
        port = URL(server.url).port or 0
        served = {stream: worker_of(port, stream.port, server.workers()) for stream in streams}
        fetching = leader(server.workers())
        assert len(set(served.values())) == 2
        leads = killed == "leader"
        [victim] = [worker for worker in server.workers() if (worker == fetching) is leads]
        os.kill(victim, signal.SIGKILL)
        if not leads:
            gate.open()
        answers = dict(zip(streams, await asyncio.gather(*(stream.end() for stream in streams)), strict=True))
        gate.open()
        assert {answers[stream] for stream in streams if served[stream] != victim} == {LARGE.data}
        assert all(LARGE.data.startswith(answer) for answer in answers.values())
        asked = feed.asked("file")
        assert [request.headers.get("Range") for request in asked] == [None, f"bytes={HELD_AT}-"][: 1 + leads]
        again = await asyncio.gather(*(server.ask(PATH) for _ in range(CLIENTS)))
        assert {answer.body for answer in again if answer} == {LARGE.data}


async def test_a_worker_is_killed_at_any_point_of_a_fetch(
    nursery: Nursery, feed: Simulator, tmp_path: Path
) -> None:
    """Whichever call of a fetch is the last one of its worker, who asks again is served, and nothing of it stays."""
    whole = tmp_path / "whole"
    async with two_workers(nursery, whole, feed, Fate()) as server:
        begun = len(journal(whole))
        assert None not in await ask_at_once(server)
        fetched = {step.label for step in journal(whole)[begun:] if step.label}
    fetched -= {step.label for step in journal(whole)[:begun]}
    labels = sorted(
        label for label in fetched if not label.startswith("synchronize")
    )  # a kill loses nothing there
    assert len(labels) > 15
    bound = asyncio.Semaphore(AT_ONCE)
    failed: dict[str, str] = {}

    async def case(number: int, label: str) -> None:
        async with bound:
            try:
                async with two_workers(nursery, tmp_path / str(number), feed, Fate(label, "one")) as server:
                    await ask_at_once(server)
                    answers = await ask_at_once(server)
                    if (
                        None in answers
                    ):  # what it learned it writes down behind the answer: only now did it die
                        answers = await ask_at_once(server)
                    assert None not in answers
            except AssertionError as error:
                failed[label] = str(error)

    await asyncio.gather(*(case(number, label) for number, label in enumerate(labels)))
    assert failed == {}


async def ask_at_once(server: Server) -> list[bytes | None]:
    """Ask for the file many times at once, and see that each whole answer is right."""
    answers = await asyncio.gather(*(server.ask(PATH) for _ in range(CLIENTS)))
    for answer in answers:
        assert answer is None or (answer.status, answer.body) == (200, LARGE.data)
    return [None if answer is None else answer.body for answer in answers]
