"""A server that is killed at every call that changes its folders: what is served afterwards is right, and nothing stays."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.mortal import Answer, Nursery, Server, configure, journal, open_nursery
from tests.faults.points import Fate
from tests.faults.remains import judge_ended, judge_running
from tests.simulator import Simulator
from tests.wheels import sdist, wheel

SMALL = wheel("demo", "1.0")
LARGE = wheel("demo", "2.0", size=400_000)
UNLISTED = sdist("demo", "3.0")
"""The feed lists no digest of it: what its bytes were is kept in the ledger."""
LIMITS = '[limits]\nsegment_from_bytes = "200kB"\n'
AT_ONCE = 3
"""Servers that are killed side by side."""


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
        configure(folder, self.feed, workers=workers, more=LIMITS)
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
    path_of(UNLISTED.filename): UNLISTED.data,
}
"""What is asked for, and the bytes of it where they are always the same."""


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """Give a feed with a file of each kind, and a nursery."""
    async with Simulator() as feed, open_nursery() as nursery:
        for built in (SMALL, LARGE):
            feed.add(built.project, built.filename, built.data)
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
        judge_running(folder / "wheelkeep-data", workers)
        answers = await street.fill(server)
        assert None not in answers.values()
        judge_answers(answers)
        server.leave()
        assert await server.ended() == 0
    judge_ended(folder / "wheelkeep-data")


async def killed(street: Street, folder: Path, label: str) -> bool:
    """Fill a new house and leave it, and tell whether its server died at a point on the way."""
    async with street.nursery.serving(folder, Fate(label)) as server:
        judge_answers(await street.fill(server) if server.url else {})
        server.leave()
        status = await server.ended()
    assert status in {0, -9}
    return status == -9


async def points(street: Street, name: str) -> list[str]:
    """Give the points of a server that is started in an empty folder, fills it, and leaves."""
    folder = street.house(name)
    async with street.nursery.serving(folder) as server:
        judge_answers(await street.fill(server))
        server.leave()
        assert await server.ended() == 0
    return [step.label for step in journal(folder) if step.label]


async def test_killed_at_any_point(street: Street) -> None:
    """Whichever call to the file system is the last one, the next server serves all of it right and leaves nothing behind."""
    labels = await points(street, "whole")
    bound = asyncio.Semaphore(AT_ONCE)
    failed: dict[str, str] = {}
    missed: list[str] = []

    async def case(number: int, label: str) -> None:
        folder = street.house(str(number))
        async with bound:
            try:
                if not await killed(street, folder, label):
                    missed.append(label)
                await restarted(street, folder)
            except AssertionError as error:
                failed[label] = str(error)

    await asyncio.gather(*(case(number, label) for number, label in enumerate(labels)))
    assert failed == {}
    assert len(missed) < len(labels) * 0.2, missed  # what happens at once comes in another order now and then
