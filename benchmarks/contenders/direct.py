"""No server between: the upstream itself, to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.upstream import Site


@dataclass(frozen=True)
class Direct:
    """The upstream itself."""

    name: str = "direct"

    @contextmanager
    def running(self, bench: Bench, site: Site, folder: Path) -> Iterator[Running]:  # noqa: ARG002  (as all contenders)
        """Give the site; it runs already."""
        yield Running(self.name, bench.upstream.places[site].url_with_secret, None)
