"""Many clients at once on one file that nobody has asked for before."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import client, memory, rounds
from benchmarks.accesslog import count
from benchmarks.bench import Bench
from benchmarks.client import Fetch
from benchmarks.contenders import Devpi, Proxpi, ProxyCache, Wheelkeep
from benchmarks.contenders.contender import Contender, Running
from benchmarks.errors import WrongAnswer
from benchmarks.row import always, row, shown, times
from benchmarks.samples import Samples

TOTAL = "all have it"
BYTES = "upstream bytes / size"
GETS = "upstream GETs"
LAG = "first byte behind the upstream's"
GROWTH = "memory growth"
REDIRECTED = "clients sent to the upstream"
_SECONDS = 900.0
_MB = 1_000_000
_MOST_GROWTH_MB = 64
_MOST_LAG_MS = 50


def herd(bench: Bench, server: Running, path: Path, clients: int) -> Mapping[str, float]:
    """Let so many clients fetch a file at once from a server that has its page but not the file.

    Raises:
        WrongAnswer: one of them did not get it, or the upstream's log has no request.
    """
    url = server.file_url(path.parent.name, path.name)
    group = server.group or 0
    memory.mark(group)
    rest = memory.resident_bytes(group)
    bench.upstream.log.forget()
    fetched = client.fetch(url, path, clients=clients, seconds=_SECONDS)
    growth = memory.peak_bytes(group) - rest
    counted = count(bench.upstream.log.entries(), path.name)
    if counted.begun is None:
        raise WrongAnswer("the upstream was not asked for the file: it was not cold")
    return {
        TOTAL: max(one.ended for one in fetched) - min(one.asked for one in fetched),
        BYTES: counted.sent / path.stat().st_size,
        GETS: counted.gets,
        LAG: lag_seconds(fetched, counted.begun) * 1000,
        GROWTH: growth / _MB,
        REDIRECTED: sum(one.redirected for one in fetched),
    }


def lag_seconds(fetched: Sequence[Fetch], upstream_first: float) -> float:
    """Tell how long the last client waited for its first byte from when the upstream gave its first, or from when it asked."""
    return max(one.first - max(upstream_first, one.asked) for one in fetched)


_ASPECTS = (
    times("<=", 1.0, "nginx", name=TOTAL, unit="s"),
    always("<=", 1.0, name=BYTES, unit="", peer="nginx"),
    shown(name=GETS, unit="", peer="nginx"),
    always("<=", _MOST_LAG_MS, name=LAG, unit="ms", peer="nginx"),
    always("<", _MOST_GROWTH_MB, name=GROWTH, unit="MB", peer="nginx"),
    shown(name=REDIRECTED, unit="", peer="nginx"),
)


@row("herd-32", *_ASPECTS)
def herd_32(bench: Bench) -> Samples:
    """32 clients ask at once for one wheel of 64 MB that is not held."""
    path = bench.tree.large_file(bench.scale.herd)
    pair: tuple[Contender, ...] = (Wheelkeep(), ProxyCache())
    return rounds.cold(
        bench, lambda server: herd(bench, server, path, 32), pair=pair, others=(Proxpi(), Devpi())
    )


@row("herd-500", *_ASPECTS)
def herd_500(bench: Bench) -> Samples:
    """500 clients ask at once for one wheel of 1 GB that is not held; half a terabyte goes out."""
    path = bench.tree.large_file(bench.scale.great_herd)
    pair: tuple[Contender, ...] = (Wheelkeep(), ProxyCache())
    return rounds.cold(
        bench, lambda server: herd(bench, server, path, 500), pair=pair, pairs=bench.scale.great_pairs
    )


_IN_TWO = (
    shown(name=TOTAL, unit="s"),
    always("<=", 1.0, name=BYTES, unit=""),
    shown(name=GETS, unit=""),
    always("<=", _MOST_LAG_MS, name=LAG, unit="ms"),
    always("<", _MOST_GROWTH_MB, name=GROWTH, unit="MB"),
)
_TWO_WORKERS = (Wheelkeep(workers=2),)


def _told(bench: Bench, samples: Samples) -> Samples:
    """Say what two workers had to share."""
    if not bench.cores.are_apart(workers=2):
        samples.notes[LAG] = "both workers ran on one core, beside which there was only that of their load"
    return samples


@row("herd-32-two-workers", *_IN_TWO)
def herd_32_two_workers(bench: Bench) -> Samples:
    """The same 32 clients, of a server of two workers."""
    path = bench.tree.large_file(bench.scale.herd)
    return _told(bench, rounds.cold(bench, lambda server: herd(bench, server, path, 32), pair=_TWO_WORKERS))


@row("herd-500-two-workers", *_IN_TWO)
def herd_500_two_workers(bench: Bench) -> Samples:
    """The same 500 clients, of a server of two workers."""
    path = bench.tree.large_file(bench.scale.great_herd)
    samples = rounds.cold(
        bench,
        lambda server: herd(bench, server, path, 500),
        pair=_TWO_WORKERS,
        pairs=bench.scale.great_pairs,
    )
    return _told(bench, samples)
