"""Where the benchmark keeps its things: all of it below `.bench/` in the checkout, which git never sees."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
HERE = ROOT / ".bench"
UPSTREAM = HERE / "upstream"
"""The tree that the upstream serves; built once."""
ENVIRONMENTS = HERE / "environments"
"""One virtual environment for each program that is installed by name."""
RUN = HERE / "run"
"""What running servers write; emptied after each row."""
LOGS = HERE / "logs"
"""What every server and installer printed the last time."""


def make() -> None:
    """Make the folders, and hide them from git whatever the checkout says."""
    for folder in (HERE, ENVIRONMENTS, RUN, LOGS):
        folder.mkdir(exist_ok=True)
    (HERE / ".gitignore").write_text("*\n")


def fresh(name: str) -> Path:
    """Give an empty folder below `run`."""
    folder = RUN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def sweep() -> None:
    """Remove what running servers wrote."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()


def told(text: str) -> str:
    """Give a text that a server printed, without the place of this checkout in it."""
    return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")
