"""Project pages."""

import time
from collections.abc import Mapping

from benchmarks import rounds
from benchmarks.ask import expect
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.row import plainly, row, times
from benchmarks.rows.loads import OTHERS, PAIR, PEER, RATE, Kinds, pages_per_second
from benchmarks.samples import Samples
from benchmarks.tree.projects import WIDE, small
from benchmarks.upstream import Site


def _warm_page(bench: Bench, project: str) -> Samples:
    kinds = Kinds()

    def measure(server: Running) -> Mapping[str, float]:
        return pages_per_second(bench, server, server.page_url(project), kinds)

    return kinds.note(rounds.warm(bench, measure, pair=PAIR, others=OTHERS), RATE, PEER.name)


@row("small-page-warm", times(">=", 0.7, "nginx", name=RATE, unit="/s"))
def small_page_warm(bench: Bench) -> Samples:
    """The page of a project with 20 files, held, as pip asks for it."""
    return _warm_page(bench, small(7))


@row("large-page-warm", times(">=", 1.0, "nginx", name=RATE, unit="/s"))
def large_page_warm(bench: Bench) -> Samples:
    """The page of a project with 10,000 files, held, as pip asks for it, gzip for all."""
    return _warm_page(bench, WIDE)


@row("large-page-first", plainly("<", 0.15, name="whole answer", unit="s", peer="nginx"))
def large_page_first(bench: Bench) -> Samples:
    """The first answer for the page of 10,000 files after a start with nothing held, from an upstream that speaks HTML alone."""

    def measure(server: Running) -> Mapping[str, float]:
        begun = time.perf_counter()
        expect(server.page_url(WIDE))
        return {"whole answer": time.perf_counter() - begun}

    return rounds.cold(bench, measure, pair=PAIR, others=OTHERS, site=Site.HTML)
