"""One large file that nobody has asked for before, against the upstream itself."""

from collections.abc import Mapping

from benchmarks import client, rounds
from benchmarks.bench import Bench
from benchmarks.contenders import Devpi, Direct, Proxpi, ProxyCache, Wheelkeep
from benchmarks.contenders.contender import Running
from benchmarks.row import row, shown, times
from benchmarks.samples import Samples
from benchmarks.tree.projects import LARGE
from benchmarks.upstream import Site

_WHOLE = "whole file"
_FIRST = "first byte"
_SECONDS = 300.0
_PAIR = (Wheelkeep(), Direct())
_OTHERS = (ProxyCache(), Proxpi(), Devpi())


def _cold_file(bench: Bench, site: Site) -> Samples:
    path = bench.tree.large_file(bench.scale.large)

    def measure(server: Running) -> Mapping[str, float]:
        url = server.file_url(LARGE, path.name)
        (fetched,) = client.fetch(url, path, clients=1, seconds=_SECONDS)
        return {_WHOLE: fetched.ended - fetched.asked, _FIRST: fetched.first - fetched.asked}

    return rounds.cold(bench, measure, pair=_PAIR, others=_OTHERS, site=site)


@row(
    "large-file-cold",
    times("<=", 2.0, "direct", name=_WHOLE, unit="s"),
    shown(name=_FIRST, unit="s", peer="direct"),
)
def large_file_cold(bench: Bench) -> Samples:
    """A wheel of 256 MB that is not held, from an upstream as fast as it can be, what the server hashes included."""
    return _cold_file(bench, Site.PLAIN)


@row(
    "large-file-cold-throttled",
    times("<=", 0.35, "direct", name=_WHOLE, unit="s"),
    shown(name=_FIRST, unit="s", peer="direct"),
)
def large_file_cold_throttled(bench: Bench) -> Samples:
    """The same from an upstream that gives 20 MiB/s to each request: several ranges at once are faster than one."""
    return _cold_file(bench, Site.THROTTLED)
