"""The load: wrk with one thread, asking as pip asks, and what it says afterwards.

wrk counts bytes as they come, so a body that is longer than the run counts as far as it came. It counts answers that are not 2xx
or 3xx, and broken connections: a run with one of these has no figure.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

from benchmarks.ask import AS_PIP
from benchmarks.errors import Unavailable, WrongAnswer

PAGE_CONNECTIONS = 32
BODY_CONNECTIONS = 8
_PATIENCE_SECONDS = 60.0
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_TRANSFER = re.compile(r"^Transfer/sec:\s+([\d.]+)([KMGT]?B)$", re.MULTILINE)
_BAD = re.compile(r"^\s*(Non-2xx or 3xx responses: \d+|Socket errors: .*)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What a run gave.

    Attributes:
        requests: answers a second.
        transfer: bytes a second, head and body.
    """

    requests: float
    transfer: float


def run(url: str, *, connections: int, seconds: int) -> Load:
    """Load one URL on this process's core.

    Raises:
        Unavailable: wrk is not installed.
        WrongAnswer: an answer was not 2xx or 3xx, a connection broke, or nothing came.
    """
    program = shutil.which("wrk")
    if program is None:
        raise Unavailable("wrk is not installed (Debian: apt-get install wrk)")
    headers = [part for name, value in AS_PIP.items() for part in ("-H", f"{name}: {value}")]
    timing = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    try:
        done = subprocess.run(  # noqa: S603  (wrk, with URLs of this program's own servers)
            [program, *timing, *headers, url],
            capture_output=True,
            text=True,
            timeout=seconds + _PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WrongAnswer("wrk did not come to an end") from error
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what wrk prints.

    Raises:
        WrongAnswer: there were errors, or nothing was measured.
    """
    bad = _BAD.search(output)
    if bad is not None:
        raise WrongAnswer(f"wrk says: {bad[1]}")
    rate, transfer = _RATE.search(output), _TRANSFER.search(output)
    if rate is None or transfer is None:
        raise WrongAnswer("wrk measured nothing")
    return Load(float(rate[1]), float(transfer[1]) * _UNITS[transfer[2]])
