"""A running `wheelkeep serve`: started, asked, restarted and ended as an operator would."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

START_SECONDS = 30.0
END_SECONDS = 30.0
ASK_SECONDS = 30.0
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks loopback directly, whatever proxy the machine has."""


@dataclass(frozen=True)
class Said:
    """An answer of wheelkeep."""

    status: int
    headers: Message
    body: bytes


@dataclass
class Keeper:
    """One wheelkeep with its folder and its port, both of which outlive its processes.

    Attributes:
        folder: its working folder: configuration, store, cache and log.
        port: on loopback.
        arguments: of `serve`.
        environment: variables beside those of the machine.
    """

    folder: Path
    port: int
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def index_url(self) -> str:
        """What a client is told."""
        return f"{self.url}/simple/"

    @property
    def log(self) -> str:
        """What all its processes printed so far."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @contextmanager
    def running(self) -> Iterator["Keeper"]:
        """Run one process: ready before the block begins, ended by SIGTERM with status 0 after it."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "wheelkeep", "serve", *self.arguments],
                cwd=self.folder,
                env=_machine() | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready(process)
            yield self
        except BaseException:
            print(self.log)  # noqa: T201  (pytest shows it beside the failure)
            process.kill()
            process.wait()
            raise
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            print(self.log)  # noqa: T201
        assert status == 0, f"wheelkeep ended with {status} after SIGTERM:\n{self.log}"

    def ask(self, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET") -> Said:
        """Ask for a path; every status is an answer."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}), method=method)  # noqa: S310
        try:
            with OPENER.open(request, timeout=ASK_SECONDS) as answer:
                return Said(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, error.headers, error.read())

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self.ask("/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        ended = process.poll()
        what = "did not become ready" if ended is None else f"ended with {ended} before it was ready"
        raise AssertionError(f"wheelkeep {what}:\n{self.log}")


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _machine() -> dict[str, str]:
    """Give this machine's environment without what would configure wheelkeep; the checkout is importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHEELKEEP_")}
    return kept | {"PYTHONUNBUFFERED": "1"}
