"""Servers as process groups: started on their cores, waited for, and ended as a group whatever happens in between."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from socket import socket

from benchmarks import places
from benchmarks.ask import ask
from benchmarks.errors import Unavailable

_GIVEN: set[int] = set()
"""Ports that `free_port` has found."""
LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.01
_SERVER_ERRORS = 500
_TAIL_CHARACTERS = 300


@dataclass(frozen=True)
class Launch:
    """How a server is started.

    Attributes:
        name: of its log.
        command: what runs.
        cores: where it runs.
        folder: its working folder.
        ready: a URL that it answers, with less than 500, when it is ready.
        environment: of the process, all of it.
    """

    name: str
    command: Sequence[str | Path]
    cores: Sequence[int]
    folder: Path
    ready: str
    environment: Mapping[str, str]


def free_port() -> int:
    """Find a port that nobody listens on, and that was not given before: servers are started after all have theirs."""
    while True:
        with socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def plain_environment(home: Path) -> dict[str, str]:
    """Give this machine's environment without what would configure a server or send it through a proxy, and another home."""
    unwanted = ("WHEELKEEP_", "PROXPI_", "DEVPI", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "UV_")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(unwanted)}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@contextmanager
def serving(launch: Launch) -> Iterator[int]:
    """Run a server, and give its process group when it is ready.

    Raises:
        Unavailable: it cannot be started, or ends or stays silent instead of becoming ready; the reason is its last line.
    """
    log = places.LOGS / f"{launch.name}.log"
    pinned = ["taskset", "-c", ",".join(map(str, launch.cores)), *map(str, launch.command)]
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603  (servers of this program's own configuration)
                pinned,
                cwd=launch.folder,
                env=dict(launch.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"{pinned[0]} cannot be run: {error.strerror}") from error
    try:
        _wait(process, lambda: _answers(launch.ready), launch.name, log)
        yield process.pid
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], name: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        status = process.poll()
        if status is not None:
            raise Unavailable(f"{name} ended with status {status}: {_last_line(log)}")
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} was not ready after {_START_SECONDS:.0f} s: {_last_line(log)}")
        time.sleep(_LOOK_SECONDS)


def _answers(url: str) -> bool:
    try:
        return ask(url).status < _SERVER_ERRORS
    except (OSError, HTTPException):
        return False


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return places.told(lines[-1])[-_TAIL_CHARACTERS:] if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: with a word first, and without one whatever comes of it."""
    try:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        _signal(process.pid, signal.SIGKILL)  # also children that outlived the first process of the group
        process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
