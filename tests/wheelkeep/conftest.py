"""The command line as a person runs it: a process of its own, in an empty directory, from a clean environment."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def environ() -> dict[str, str]:
    """Give an environment without a word about wheelkeep, pip or uv."""
    ours = ("WHEELKEEP_", "PIP_", "UV_", "XDG_", "PYTHON", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
    return kept | {
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }


@pytest.fixture
def run(tmp_path: Path, environ: dict[str, str]) -> Run:
    """Run `python -m wheelkeep` with arguments, more variables, and a shell's command before it, to its end."""

    async def run(*arguments: str, more: Mapping[str, str] | None = None, before: str = ":") -> Ended:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            f'{before} && exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "wheelkeep",
            *arguments,
            cwd=tmp_path,
            env=environ | dict(more or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    return run
