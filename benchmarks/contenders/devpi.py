"""devpi-server with one mirror index, made over its own HTTP interface as its client would."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from benchmarks import places
from benchmarks.ask import ask
from benchmarks.bench import Bench
from benchmarks.contenders.contender import Running
from benchmarks.environments import environment
from benchmarks.errors import Unavailable
from benchmarks.processes import LOOPBACK, Launch, free_port, plain_environment, serving
from benchmarks.upstream import Place, Site

REQUIREMENTS = ("devpi-server",)
_USER = "root"
_PASSWORD = "of-the-benchmark"  # noqa: S105  (of a server on loopback that lives for a minute)
_INIT_SECONDS = 120.0


@dataclass(frozen=True)
class Devpi:
    """devpi-server."""

    name: str = "devpi"

    @contextmanager
    def running(self, bench: Bench, site: Site, folder: Path) -> Iterator[Running]:
        """Install it when it is not there yet, initialize it, run it, and make its mirror.

        Raises:
            Unavailable: it cannot be installed, initialized or started, or refuses the mirror.
        """
        programs = environment(self.name, *REQUIREMENTS)
        state = folder / "server"
        is_new = not state.exists()
        if is_new:
            self._initialize(programs, folder, state)
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        launch = Launch(
            name=self.name,
            command=[
                programs / "devpi-server",
                "--serverdir",
                state,
                "--host",
                LOOPBACK,
                "--port",
                str(port),
            ],
            cores=bench.cores.server(),
            folder=folder,
            ready=f"{url}/+api",
            environment=plain_environment(folder),
        )
        with serving(launch) as group:
            if is_new:
                self._make_mirror(url, bench.upstream.places[site])
            yield Running(self.name, f"{url}/{_USER}/feed/+simple/", group)

    def _initialize(self, programs: Path, folder: Path, state: Path) -> None:
        command = [
            programs / "devpi-init",
            "--serverdir",
            state,
            "--no-root-pypi",
            "--root-passwd",
            _PASSWORD,
        ]
        with (places.LOGS / "devpi-init.log").open("wb") as log:
            try:
                subprocess.run(  # noqa: S603  (devpi's own program)
                    [str(part) for part in command],
                    env=plain_environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=_INIT_SECONDS,
                    check=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise Unavailable("devpi could not be initialized (its log says why)") from error

    def _make_mirror(self, url: str, place: Place) -> None:
        """Log in, and create an index that mirrors the site."""
        login = _told(f"{url}/+login", "POST", {"user": _USER, "password": _PASSWORD}, {})
        result = login.get("result")
        token = result.get("password", "") if isinstance(result, dict) else ""
        signed = base64.b64encode(f"{_USER}:{token}".encode()).decode()
        settings = {"type": "mirror", "mirror_url": place.url_with_secret}
        _told(f"{url}/{_USER}/feed", "PUT", settings, {"X-Devpi-Auth": signed})


def _told(
    url: str, method: str, document: Mapping[str, object], headers: Mapping[str, str]
) -> Mapping[str, object]:
    """Send a document to devpi, and give its answer."""
    fields = {"Accept": "application/json", "Content-Type": "application/json", **headers}
    try:
        answer = ask(url, method=method, headers=fields, body=json.dumps(document))
    except (OSError, HTTPException) as error:
        raise Unavailable("devpi did not answer while its mirror was made") from error
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"devpi answered {answer.status} while its mirror was made")
    told = json.loads(answer.body)
    return told if isinstance(told, dict) else {}
