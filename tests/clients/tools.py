"""The real clients, each release pinned, installed once into an environment of their own."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PIP = "pip==26.3"
UV = "uv==0.13.8"
TLS_VARIABLES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
)


@dataclass(frozen=True)
class Tools:
    """Where the clients are.

    Attributes:
        python: an interpreter that has pip; it installs into other environments by `--python`.
        uv: the program.
    """

    python: Path
    uv: Path


def install_tools() -> Tools:
    """Give the clients, installed from the machine's index when they are not there yet.

    Test workers run at the same time: the first installs, the others wait for it.
    """
    folder = Path(sys.prefix) / "clients"
    folder.mkdir(exist_ok=True)
    place = folder / f"{PIP}-{UV}".replace("==", "-")
    with Path(f"{place}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place / "done"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            _install(place)
            done.touch()
    return Tools(python=place / "bin" / "python", uv=place / "bin" / "uv")


def _install(place: Path) -> None:
    commands = (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", PIP, UV],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"The clients could not be installed from the machine's index: {done.stderr.strip()}"
            )


def clean_environment(home: Path) -> dict[str, str]:
    """Give an environment in which nothing of this machine's or its user's package configuration is left."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", *TLS_VARIABLES) if name in os.environ}
    nothing = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_CONFIG": "1"}
    return {**kept, **nothing, "HOME": str(home), "UV_PYTHON_DOWNLOADS": "never"}
