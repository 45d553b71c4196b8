"""The process itself: its memory, its start, and a second one beside it."""

import time
from collections.abc import Mapping

from benchmarks import memory, places, rounds
from benchmarks.ask import expect
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Contender, Running
from benchmarks.contenders.wheelkeep import Wheelkeep
from benchmarks.errors import Unavailable, WrongAnswer
from benchmarks.row import plainly, row, times
from benchmarks.rows.loads import OTHERS, PAIR, RATE, Kinds, pages_per_second
from benchmarks.samples import Samples
from benchmarks.tree.projects import small
from benchmarks.upstream import Site

_REST = "at rest"
_MIRRORED = "with 100,000 projects mirrored"
_ANSWER = "start to first answer"
_MB = 1_000_000
_ONE_WORKER = "one worker"


@row("two-workers", times(">=", 1.8, _ONE_WORKER, name=RATE, unit="/s"))
def two_workers(bench: Bench) -> Samples:
    """Two workers against one on a small page."""
    kinds = Kinds()
    two = Wheelkeep(workers=2)
    pair: tuple[Contender, ...] = (two, Wheelkeep(name=_ONE_WORKER))

    def load(server: Running) -> Mapping[str, float]:
        return pages_per_second(bench, server, server.page_url(small(7)), kinds)

    samples = rounds.warm(bench, load, pair=pair)
    if not bench.cores.are_apart(workers=2) and two.name in samples.figures:
        samples.blank[RATE] = "two workers and their load need three cores"
    return samples


@row(
    "memory",
    plainly("<", 90, name=_REST, unit="MB", peer="nginx"),
    plainly("<", 250, name=_MIRRORED, unit="MB"),
)
def memory_at_rest(bench: Bench) -> Samples:
    """Memory of a worker that has answered one page and is at rest."""

    def measure(server: Running) -> Mapping[str, float]:
        expect(server.page_url(small(7)))
        return {_REST: memory.resident_bytes(server.group or 0) / _MB}

    samples = rounds.cold(bench, measure, pair=PAIR, others=OTHERS)
    samples.blank[_MIRRORED] = "sync is not there yet, so nothing can be mirrored"
    return samples


@row("start", plainly("<", 1.0, name=_ANSWER, unit="s", peer="nginx"))
def start(bench: Bench) -> Samples:
    """From `serve` to the first page, started again with what it kept."""
    samples = Samples()
    for turn in range(bench.scale.pairs):
        for contender in (*PAIR, *(OTHERS if not turn else ())):
            try:
                samples.add(contender.name, {_ANSWER: _start(bench, contender)})
            except Unavailable as error:
                samples.missing[contender.name] = str(error)
            except WrongAnswer as error:
                samples.broken[contender.name] = str(error)
    places.sweep()
    return samples


def _start(bench: Bench, contender: Contender) -> float:
    folder = places.fresh(contender.name)
    with contender.running(bench, Site.PLAIN, folder) as server:
        expect(server.page_url(small(7)))
    begun = time.perf_counter()
    with contender.running(bench, Site.PLAIN, folder) as server:
        expect(server.page_url(small(7)))
        return time.perf_counter() - begun
