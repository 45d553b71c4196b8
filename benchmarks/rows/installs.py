"""Whole installs, as a person waits for them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import places, rounds
from benchmarks.bench import Bench
from benchmarks.contenders import Devpi, Direct, Proxpi, ProxyCache, Wheelkeep
from benchmarks.contenders.contender import Contender, Running
from benchmarks.environments import environment
from benchmarks.errors import WrongAnswer
from benchmarks.row import plainly, row, shown, times
from benchmarks.samples import Samples, nothing
from benchmarks.tree.projects import LINKED, ROOT_REQUIREMENT
from benchmarks.upstream import Site

_WARM = "held"
_COLD = "first"
_SECONDS = 180.0
_PAIR: tuple[Contender, ...] = (Wheelkeep(), ProxyCache())
_OTHERS: tuple[Contender, ...] = (Direct(), Proxpi(), Devpi())


@row(
    "uv-install",
    times("<=", 1.1, "nginx", name=_WARM, unit="s"),
    shown(name=_COLD, unit="s", peer="nginx"),
)
def uv_install(bench: Bench) -> Samples:
    """`uv pip install` of one requirement that brings 177 wheels, without a cache of uv's, from a feed that wants a PAT."""
    uv = environment("uv", "uv") / "uv"

    def measure(server: Running) -> Mapping[str, float]:
        first = _install(uv, server)
        return {_COLD: first, _WARM: _install(uv, server)}

    return rounds.cold(bench, measure, pair=_PAIR, others=_OTHERS, site=Site.PROTECTED)


@row(
    "sync",
    times("<=", 1.5, "pip download", name="177 wheels", unit="s"),
    plainly("<", 0.5, name="nothing new", unit="s"),
)
def sync(bench: Bench) -> Samples:  # noqa: ARG001  (as all rows)
    """Mirroring 177 wheels with all that they require, and doing it again when nothing is new."""
    return nothing("sync is not there yet")


def _install(uv: Path, server: Running) -> float:
    """Install into an environment with nothing in it, and tell how long that took.

    Raises:
        WrongAnswer: it failed, or did not bring all wheels.
    """
    folder = places.fresh("uv")
    target = folder / "environment"
    make = [sys.executable, "-m", "venv", "--without-pip", str(target)]
    subprocess.run(make, check=True, timeout=_SECONDS)  # noqa: S603  (this interpreter)
    options = ["--no-cache", "--python", str(target / "bin" / "python"), "--default-index", server.index_url]
    begun = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603  (uv, against this program's own servers)
            [str(uv), "pip", "install", "--quiet", *options, ROOT_REQUIREMENT],
            env=_environment(folder),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WrongAnswer("uv did not come to an end") from error
    seconds = time.perf_counter() - begun
    installed = len(list(target.glob("lib/python*/site-packages/bench_linked_*.dist-info")))
    (places.LOGS / f"uv-{server.name}.log").write_bytes(done.stderr)
    shutil.rmtree(folder)
    if done.returncode or installed != LINKED:
        raise WrongAnswer(
            f"uv ended with {done.returncode} and {installed} of {LINKED} wheels (its log says why)"
        )
    return seconds


def _environment(home: Path) -> dict[str, str]:
    """Give an environment without any configuration of this machine's packages."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
