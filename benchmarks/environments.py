"""Virtual environments for programs that are compared, installed by name from the index that this machine's pip is set up with."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import places
from benchmarks.errors import Unavailable

_INSTALL_SECONDS = 900.0


def environment(name: str, *requirements: str) -> Path:
    """Give the `bin` folder of an environment that has some requirements, made when it is not there yet.

    Raises:
        Unavailable: pip cannot install them; its words are in the log, since they may name hosts.
    """
    folder = places.ENVIRONMENTS / name
    done = folder / "installed"
    wanted = "\n".join(requirements)
    if done.exists() and done.read_text() == wanted:
        return folder / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
    )
    with (places.LOGS / f"install-{name}.log").open("wb") as log:
        for command in commands:
            _run(command, log.fileno(), name)
    done.write_text(wanted)
    return folder / "bin"


def version(name: str, project: str) -> str:
    """Tell the version of a project that an environment has; "" when there is none."""
    pattern = f"{project.replace('-', '_')}-*.dist-info"
    found = sorted((places.ENVIRONMENTS / name).glob(f"lib/python*/site-packages/{pattern}"))
    return found[0].name.removesuffix(".dist-info").partition("-")[2] if found else ""


def _run(command: list[str], log: int, name: str) -> None:
    reason = f"{name} could not be installed from the machine's index (its log says why)"
    try:
        done = subprocess.run(  # noqa: S603  (pip, with fixed names)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(reason) from error
    if done.returncode:
        raise Unavailable(reason)
