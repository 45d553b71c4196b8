"""Servers that are killed at random moments under several clients, over one folder that lives through it all.

    python -m tests.faults.random_kills 1000 [SEED]

Each start judges the kill before it. A seed gives what is asked and the moments; what a moment finds depends on the machine.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.faults.invariants import misnamed
from tests.faults.mortal import Nursery, Server, configure, open_nursery
from tests.faults.remains import judge_ended, judge_running
from tests.simulator import Simulator
from tests.wheels import sdist, wheel

KB = 1000
WHEELS = [
    wheel(f"part-{number}", "1.0", size=size * KB) for number, size in enumerate((0, 10, 200, 700, 1500))
]
UNLISTED = [sdist(f"source-{number}", "1.0") for number in range(4)]
"""The feed lists no digest of these."""
SEGMENT_FROM_BYTES = "1MB"
ROOM = "2MB"
"""For the cache: less than all files have together, so that they go and come again."""
CLIENTS = 4
LATEST_SECONDS = 0.2
"""After the start of a server; to fetch everything takes about so long."""


class Campaign:
    """One folder, one feed, and the servers over it.

    Attributes:
        seen: how many answers were whole, how many were not, how many servers had two workers, and of how many of those
            one died first.
    """

    def __init__(self, folder: Path, feed: Simulator, nursery: Nursery, seed: int) -> None:
        """Fill the feed.

        Args:
            folder: for configuration and data.
            feed: the upstream.
            nursery: gives the servers.
            seed: of what is asked and of the moments.
        """
        self.seen: Counter[str] = Counter()
        self._folder = folder
        self._feed = feed
        self._nursery = nursery
        self._random = Random(seed)  # noqa: S311  (nothing is kept secret by it)
        self._contents: dict[str, bytes | None] = {"/simple/": None}
        for built in WHEELS:
            feed.add(built.project, built.filename, built.data, metadata=built.metadata)
            self._contents[f"/files/{built.project}/{built.filename}.metadata"] = built.metadata
        for built in UNLISTED:
            feed.add(built.project, built.filename, built.data, hashes={})
        for built in (*WHEELS, *UNLISTED):
            self._contents[f"/simple/{built.project}/"] = None
            self._contents[f"/files/{built.project}/{built.filename}"] = built.data

    async def run(self, kills: int) -> None:
        """Kill so many servers, judge what they gave and left, and see that the next one gives everything."""
        data = self._folder / "data"
        for _ in range(kills):
            await self._kill(workers=self._random.choice((1, 2)))
            assert misnamed(data / "cache") == []
        self._configure(workers=1)
        async with self._nursery.serving(self._folder) as server:
            judge_running(data)
            for path in self._contents:
                assert await self._ask(server, path), path
            server.leave()
            assert await server.ended() == 0
        judge_ended(data)

    async def _kill(self, workers: int) -> None:
        """Start a server, judge it, and kill it under its clients."""
        self._configure(workers)
        async with self._nursery.serving(self._folder) as server:
            judge_running(self._folder / "data", workers)
            over = asyncio.Event()
            clients = [asyncio.create_task(self._ask_on(server, over)) for _ in range(CLIENTS)]
            moments = sorted(self._random.uniform(0, LATEST_SECONDS) for _ in range(2))
            if workers > 1 and self._random.random() < 0.5:
                await asyncio.sleep(moments[0])
                self.seen["one of two"] += 1
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(server.workers()), signal.SIGKILL)
                moments[1] -= moments[0]
            await asyncio.sleep(moments[1])
            server.kill()
            over.set()
            self.seen[f"{workers} workers"] += 1
            assert await server.ended() == -signal.SIGKILL
            await asyncio.gather(*clients)

    async def _ask_on(self, server: Server, over: asyncio.Event) -> None:
        """Ask for one thing after another until it is over."""
        while not over.is_set():
            await self._ask(server, self._random.choice(list(self._contents)))

    async def _ask(self, server: Server, path: str) -> bool:
        """Ask for a path and judge what comes: whole and right, or (False) nothing whole."""
        answer = await server.ask(path)
        self.seen["broken" if answer is None else "whole"] += 1
        if answer is not None:
            assert answer.status == 200, (path, answer)
            assert self._contents[path] in {None, answer.body}, path
        return answer is not None

    def _configure(self, workers: int) -> None:
        configure(
            self._folder,
            self._feed,
            workers=workers,
            max_bytes=ROOM,
            segment_from_bytes=SEGMENT_FROM_BYTES,
        )


async def campaign(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill so many servers at random, and give what was seen.

    Raises:
        AssertionError: something wrong was served or left.
    """
    async with Simulator() as feed, open_nursery() as nursery:
        played = Campaign(folder, feed, nursery, seed)
        await played.run(kills)
    return played.seen


def main() -> None:
    """Run a campaign, and print what was seen."""
    kills, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else Random().randrange(2**32)  # noqa: S311
    print(f"{kills} kills, seed {seed}", flush=True)  # noqa: T201
    with TemporaryDirectory() as folder:
        print(dict(asyncio.run(campaign(Path(folder), kills, seed))))  # noqa: T201


if __name__ == "__main__":
    main()
