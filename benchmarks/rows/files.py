"""Files that are held."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks import client, rounds
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.row import row, times
from benchmarks.rows.loads import OTHERS, PAIR, RATE, expect_bytes, load
from benchmarks.samples import Samples
from benchmarks.tree.projects import LARGE
from benchmarks.wrk import BODY_CONNECTIONS, PAGE_CONNECTIONS

_TRANSFER = "GB/s"
_GB = 1e9
_FETCH_SECONDS = 120.0


def _warm_file(bench: Bench, path: Path, suffix: str = "") -> Samples:
    right = path.with_name(f"{path.name}{suffix}").read_bytes()

    def measure(server: Running) -> Mapping[str, float]:
        url = f"{server.file_url(path.parent.name, path.name)}{suffix}"
        expect_bytes(url, right)
        expect_bytes(url, right)
        return {RATE: load(bench, url, PAGE_CONNECTIONS).requests}

    return rounds.warm(bench, measure, pair=PAIR, others=OTHERS)


@row("small-file-warm", times(">=", 0.7, "nginx", name=RATE, unit="/s"))
def small_file_warm(bench: Bench) -> Samples:
    """A wheel of 11 KB, held."""
    return _warm_file(bench, bench.tree.small_file)


@row("metadata-warm", times(">=", 0.7, "nginx", name=RATE, unit="/s"))
def metadata_warm(bench: Bench) -> Samples:
    """The core metadata beside that wheel (PEP 658), held."""
    return _warm_file(bench, bench.tree.small_file, ".metadata")


@row("large-file-warm", times(">=", 1.2, "nginx", name=_TRANSFER, unit="GB/s"))
def large_file_warm(bench: Bench) -> Samples:
    """A wheel of 256 MB, held, eight clients at a time."""
    path = bench.tree.large_file(bench.scale.large)

    def measure(server: Running) -> Mapping[str, float]:
        url = server.file_url(LARGE, path.name)
        client.fetch(url, path, clients=1, seconds=_FETCH_SECONDS)
        client.fetch(url, path, clients=1, seconds=_FETCH_SECONDS)
        return {_TRANSFER: load(bench, url, BODY_CONNECTIONS).transfer / _GB}

    return rounds.warm(bench, measure, pair=PAIR, others=OTHERS)
