"""Project lists."""

import time
from collections.abc import Mapping

from benchmarks import memory, places, rounds
from benchmarks.ask import expect
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.contenders.wheelkeep import Wheelkeep
from benchmarks.errors import Unavailable, WrongAnswer
from benchmarks.row import always, plainly, row, shown, times
from benchmarks.rows.loads import OTHERS, PAIR, PEER, RATE, Kinds, pages_per_second
from benchmarks.samples import OURS, Samples
from benchmarks.upstream import Site

_RESTART = "start to first answer"
_MOST = "most memory"
_BOUND_MB = 1_000
"""What is taken for bounded: the list has 46 MB in both forms, and this is less than a process that held it as objects often over."""
_MB = 1_000_000


def _warm_list(bench: Bench, site: Site) -> Samples:
    kinds = Kinds()

    def measure(server: Running) -> Mapping[str, float]:
        return pages_per_second(bench, server, server.index_url, kinds)

    return kinds.note(rounds.warm(bench, measure, pair=PAIR, others=OTHERS, site=site), RATE, PEER.name)


@row("project-list", times(">=", 1.0, "nginx", name=RATE, unit="/s"))
def project_list(bench: Bench) -> Samples:
    """The list of 2,180 projects, held, as pip asks for it."""
    return _warm_list(bench, Site.PLAIN)


@row(
    "project-list-700k",
    times(">=", 1.0, "nginx", name=RATE, unit="/s"),
    plainly("<", 1.0, name=_RESTART, unit="s"),
    always("<=", _BOUND_MB, name=_MOST, unit="MB"),
    shown(name="first answer ever", unit="s"),
)
def project_list_700k(bench: Bench) -> Samples:
    """The list of 700,000 projects: held; first ever; and first after a restart, the process start included."""
    return _warm_list(bench, Site.MANY).join(_restarts(bench))


def _restarts(bench: Bench) -> Samples:
    samples = Samples()
    try:
        for _ in range(bench.scale.pairs):
            samples.add(OURS, _restart(bench))
    except Unavailable as error:
        samples.missing[OURS] = str(error)
    except WrongAnswer as error:
        samples.broken[OURS] = str(error)
    finally:
        places.sweep()
    return samples


def _restart(bench: Bench) -> Mapping[str, float]:
    """Let wheelkeep learn the list, and start it again with what it kept."""
    folder = places.fresh(OURS)
    with Wheelkeep().running(bench, Site.MANY, folder) as server:
        begun = time.perf_counter()
        expect(server.index_url)
        first = time.perf_counter() - begun
        most = memory.peak_bytes(server.group or 0)
    begun = time.perf_counter()
    with Wheelkeep().running(bench, Site.MANY, folder) as server:
        expect(server.index_url)
        again = time.perf_counter() - begun
        most = max(most, memory.peak_bytes(server.group or 0))
    return {"first answer ever": first, _RESTART: again, _MOST: most / _MB}
