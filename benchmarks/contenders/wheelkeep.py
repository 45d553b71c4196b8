"""wheelkeep itself, as an operator runs it: access log and metrics on, one worker unless told otherwise."""

import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.processes import LOOPBACK, Launch, free_port, plain_environment, serving
from benchmarks.samples import OURS
from benchmarks.upstream import USER, Place, Site

_SETTINGS = """\
[server]
host = "{host}"
port = {port}
workers = {workers}

[store]
url = "file:{folder}/store"

[cache]
path = "{folder}/cache"

[[upstreams]]
name = "feed"
url = "{place.url}"
file_hosts = ["{place.host}"]

[[indexes]]
name = "default"
sources = ["feed"]
"""
_CONNECTION = """
[[connections]]
name = "feed-pat"
category = "PythonFeed"
target = "http://{place.host}"
auth_type = "PAT"
username = "{user}"
secret_file = "{secret}"
"""


@dataclass(frozen=True)
class Wheelkeep:
    """wheelkeep.

    Attributes:
        name: in the table.
        workers: its processes, each on a core of its own as far as there are any.
    """

    name: str = OURS
    workers: int = 1

    @contextmanager
    def running(self, bench: Bench, site: Site, folder: Path) -> Iterator[Running]:
        """Run `wheelkeep serve` with a configuration of its own.

        Raises:
            Unavailable: it does not start; the reason is what it said last.
        """
        port = free_port()
        settings = folder / "wheelkeep.toml"
        settings.write_text(self._settings(folder, port, bench.upstream.places[site]))
        program = Path(sysconfig.get_path("scripts")) / "wheelkeep"
        launch = Launch(
            name=self.name.replace(" ", "-"),
            command=[program, "serve", "--config", settings],
            cores=bench.cores.server(self.workers),
            folder=folder,
            ready=f"http://{LOOPBACK}:{port}/readyz",
            environment=plain_environment(folder),
        )
        with serving(launch) as group:
            yield Running(self.name, f"http://{LOOPBACK}:{port}/simple/", group)

    def _settings(self, folder: Path, port: int, place: Place) -> str:
        settings = _SETTINGS.format(
            host=LOOPBACK, port=port, workers=self.workers, folder=folder, place=place
        )
        if place.secret is None:
            return settings
        secret = folder / "feed-pat"
        secret.touch(mode=0o600)
        secret.write_text(f"{place.secret}\n")
        return settings + _CONNECTION.format(place=place, user=USER, secret=secret)
