"""What the figures were taken on and with: nothing in it names the machine or a place on it."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

from benchmarks import nginx
from benchmarks.environments import version as version_in

_GIB = 1 << 30
_UNKNOWN = "not installed"


def describe() -> dict[str, str]:
    """Give machine, kernel and versions, by what they are called in the report."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
        "wheelkeep": _distribution("wheelkeep"),
        "aiohttp": _distribution("aiohttp"),
        "nginx": nginx.version() or _UNKNOWN,
        "wrk": _wrk(),
        "proxpi": version_in("proxpi", "proxpi") or _UNKNOWN,
        "gunicorn": version_in("proxpi", "gunicorn") or _UNKNOWN,
        "devpi-server": version_in("devpi", "devpi-server") or _UNKNOWN,
        "uv": version_in("uv", "uv") or _UNKNOWN,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _distribution(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return _UNKNOWN


def _wrk() -> str:
    program = shutil.which("wrk")
    if program is None:
        return _UNKNOWN
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)  # noqa: S603  (wrk)
    found = re.search(r"wrk (?:\S*/)?(\S+)", done.stdout)
    return found[1] if found else ""
