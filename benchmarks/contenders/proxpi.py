"""proxpi under gunicorn: one process, since its processes do not share what they know, and as many threads as the load has clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.environments import environment
from benchmarks.processes import LOOPBACK, Launch, free_port, plain_environment, serving
from benchmarks.upstream import Site
from benchmarks.wrk import PAGE_CONNECTIONS

REQUIREMENTS = ("proxpi==1.3.*", "gunicorn")


@dataclass(frozen=True)
class Proxpi:
    """proxpi."""

    name: str = "proxpi"

    @contextmanager
    def running(self, bench: Bench, site: Site, folder: Path) -> Iterator[Running]:
        """Install it when it is not there yet, and run it.

        Raises:
            Unavailable: it cannot be installed or does not start.
        """
        programs = environment(self.name, *REQUIREMENTS)
        port = free_port()
        serving_options = ["--workers", "1", "--worker-class", "gthread", "--threads", str(PAGE_CONNECTIONS)]
        launch = Launch(
            name=self.name,
            command=[
                programs / "gunicorn",
                *serving_options,
                "--bind",
                f"{LOOPBACK}:{port}",
                "proxpi.server:app",
            ],
            cores=bench.cores.server(),
            folder=folder,
            ready=f"http://{LOOPBACK}:{port}/health",
            environment={
                **plain_environment(folder),
                "PROXPI_INDEX_URL": bench.upstream.places[site].url_with_secret,
                "PROXPI_CACHE_DIR": str(folder / "cache"),
            },
        )
        with serving(launch) as group:
            yield Running(self.name, f"http://{LOOPBACK}:{port}/index/", group)
