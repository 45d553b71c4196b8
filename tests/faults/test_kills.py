"""A server that is killed at every call that changes its folders: what is served afterwards is right, and nothing stays."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.faults.mortal import Answer, Nursery, Server, configure, journal, open_nursery
from tests.faults.points import Fate
from tests.faults.power import lose
from tests.faults.random_kills import campaign
from tests.faults.remains import committed, judge_ended, judge_running
from tests.simulator import Simulator
from tests.wheels import sdist, wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=400_000)
UNLISTED = sdist("demo", "3.0")
"""The feed lists no digest of it: what its bytes were is kept in the ledger."""
RANDOM_KILLS = 40
AT_ONCE = 3
"""Servers that are killed side by side."""


pytestmark = pytest.mark.timeout(300)  # hundreds of processes, on a machine that may be busy


@dataclass
class Street:
    """What the cases of this module have in common."""

    feed: Simulator
    nursery: Nursery
    folder: Path

    async def fill(self, server: Server) -> dict[str, Answer | None]:
        """Ask for everything once, one after the other."""
        return {path: await server.ask(path) for path in CONTENTS}

    def house(self, name: str, *, workers: int = 1) -> Path:
        """Make the folder of a new server."""
        folder = self.folder / name
        configure(folder, self.feed, workers=workers, segment_from_bytes="200kB")
        return folder


def path_of(filename: str) -> str:
    """Give the path of a file in the default index."""
    return f"/files/demo/{filename}"


CONTENTS: dict[str, bytes | None] = {
    "/simple/": None,
    "/simple/demo/": None,
    path_of(SMALL.filename): SMALL.data,
    path_of(SMALL.filename) + ".metadata": SMALL.metadata,
    path_of(LARGE.filename): LARGE.data,
    path_of(LARGE.filename) + ".metadata": LARGE.metadata,
    path_of(UNLISTED.filename): UNLISTED.data,
}
"""What is asked for, and the bytes of it where they are always the same."""


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """Give a feed with a file of each kind, and a nursery."""
    async with Simulator() as feed, open_nursery() as nursery:
        for built in (SMALL, LARGE):
            feed.add(built.project, built.filename, built.data, metadata=built.metadata)
        feed.add(UNLISTED.project, UNLISTED.filename, UNLISTED.data, hashes={})
        yield Street(feed, nursery, tmp_path)


def judge_answers(answers: dict[str, Answer | None]) -> None:
    """See that every whole answer is right."""
    for path, answer in answers.items():
        if answer is not None:
            assert answer.status == 200, path
            assert CONTENTS[path] in {None, answer.body}, path


async def restarted(street: Street, folder: Path, *, workers: int = 1) -> None:
    """See that the next server over a folder serves everything, and that nothing of the last one stays."""
    async with street.nursery.serving(folder) as server:
        judge_running(folder / "data", workers)
        answers = await street.fill(server)
        assert None not in answers.values()
        judge_answers(answers)
        server.leave()
        assert await server.ended() == 0
    judge_ended(folder / "data")


async def killed(street: Street, folder: Path, label: str) -> bool:
    """Start a server, ask it for everything and let it leave, and tell whether it died at a point on the way."""
    async with street.nursery.serving(folder, Fate(label)) as server:
        judge_answers(await street.fill(server) if server.url else {})
        server.leave()
        status = await server.ended()
    assert status in {0, -9}
    return status == -9


async def points(street: Street, folder: Path) -> list[str]:
    """Give the points on the way of a server that is not killed."""
    assert not await killed(street, folder, label="")
    return [step.label for step in journal(folder) if step.label]


async def each_killed(street: Street, labels: list[str], *, start: Path | None = None) -> None:
    """Kill a server at each point, and judge the next one.

    When something was about to be made durable the power fails too: there most can be lost.

    Args:
        street: where.
        labels: the points.
        start: the folder that each begins with a copy of; None: a new one.
    """
    bound = asyncio.Semaphore(AT_ONCE)
    failed: dict[str, str] = {}
    missed: list[str] = []

    async def case(number: int, label: str) -> None:
        folder = street.house(str(number)) if start is None else await copied(start, str(number))
        if not await killed(street, folder, label):
            missed.append(label)
        if label.startswith("synchronize"):
            coin = Random(number)  # noqa: S311  (it falls the same each time)
            await asyncio.to_thread(lose, folder / "data", journal(folder), coin)
        await restarted(street, folder)

    async def judged(number: int, label: str) -> None:
        async with bound:
            try:
                await case(number, label)
            except AssertionError as error:
                failed[f"{number}: {label}"] = str(error)

    await asyncio.gather(*(judged(number, label) for number, label in enumerate(labels)))
    assert failed == {}
    assert len(missed) < len(labels) * 0.2, missed  # what happens at once comes in another order now and then


async def copied(folder: Path, name: str) -> Path:
    """Copy a folder and what is in it; nobody holds the locks in the copy."""
    return Path(await asyncio.to_thread(shutil.copytree, folder, folder.with_name(name)))


async def test_killed_at_any_point(street: Street) -> None:
    """Whichever call of a fill is the last one, the next server serves all of it right and nothing of the first one stays."""
    labels = await points(street, street.house("whole"))
    assert len(labels) > 100
    await each_killed(street, labels)


async def test_killed_again_while_it_recovers(street: Street) -> None:
    """A server that is killed while it puts in order what a kill has left costs the next one no more than the first did."""
    labels = await points(street, street.house("whole"))
    writes = [label for label in labels if label.startswith("half of a write store/temporary")]
    for write in reversed(
        writes
    ):  # what is learned at one moment may be written at once, so that there are fewer
        left = street.house(f"left after {write.rpartition(' ')[2]}")
        if await killed(street, left, write):
            break
    else:
        pytest.fail("No server died while it wrote a record.")
    (left / "journal").unlink()
    recovering = await points(street, await copied(left, "recovers"))
    assert any("doubtful.part" in label for label in recovering)
    await each_killed(street, recovering, start=left)


async def test_bytes_that_turned_after_a_kill_are_not_served(street: Street) -> None:
    """Held files and metadata in which a bit has turned while nobody ran are found by their digests, fetched anew and right (F40)."""
    folder = street.house("flipped")
    async with street.nursery.serving(folder) as server:
        judge_answers(await street.fill(server))
        server.kill()
        assert await server.ended() == -9
    held = committed(folder / "data")
    assert len(held) == 5
    for path in held:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    street.feed.forget()
    await restarted(street, folder)
    assert street.feed.count("file") == 3


async def test_killed_at_random(tmp_path: Path) -> None:
    """Servers over one folder that are killed at any moment under their clients give and leave nothing wrong, one after another."""
    seed = Random().randrange(2**32)  # noqa: S311
    print(f"tests.faults.random_kills {RANDOM_KILLS} {seed}")  # noqa: T201  (pytest shows it beside a failure)
    seen = await campaign(tmp_path, RANDOM_KILLS, seed)
    assert seen["whole"] > RANDOM_KILLS < 10 * seen["broken"]
