"""pip and uv behind one face, so that each scenario is written once and holds for both."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

from tests.clients.tools import Tools, clean_environment

PATIENCE_SECONDS = 120
Name = Literal["pip", "uv"]


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing in it."""

    folder: Path

    @property
    def python(self) -> Path:
        """Give its interpreter."""
        return self.folder / "bin" / "python"

    def installed(self) -> dict[str, str]:
        """Give the names and versions of what is installed in it."""
        places = [str(place) for place in self.folder.glob("lib/python*/site-packages")]
        return {found.name: found.version for found in distributions(path=places)}

    def run(self, code: str) -> str:
        """Run a line of Python in it, and give what it printed."""
        command = [str(self.python), "-I", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Done:
    """A client's run that ended."""

    status: int
    output: str


@dataclass
class Installer:
    """One client with a home of its own; it keeps no cache between runs, so that each run asks the index.

    Attributes:
        name: which client.
        tools: where the clients are.
        home: its home and working folder.
        retries: how often it tries a failed request again.
        said: everything that it printed so far.
    """

    name: Name
    tools: Tools
    home: Path
    retries: int = 0
    said: list[str] = field(default_factory=list)

    def run(self, command: Iterable[str | Path], *, cwd: Path | None = None) -> Done:
        """Run a command in the clean environment."""
        ended = subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.home,
            env={**clean_environment(self.home), "UV_HTTP_RETRIES": str(self.retries)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        self.said.append(ended.stdout)
        return Done(ended.returncode, ended.stdout)

    def attempt(self, environment: Environment, index_url: str, *arguments: str | Path) -> Done:
        """Install into an environment; it may fail."""
        options: list[str | Path]
        if self.name == "uv":
            options = ["--no-cache", "--python", environment.python, "--default-index", index_url]
            return self.run([self.tools.uv, "pip", "install", *options, *arguments])
        options = ["--no-cache-dir", "--no-input", "--retries", str(self.retries), "--index-url", index_url]
        pip: list[str | Path] = [self.tools.python, "-m", "pip", "--python", environment.python]
        return self.run([*pip, "install", *options, *arguments])

    def install(self, environment: Environment, index_url: str, *arguments: str | Path) -> None:
        """Install into an environment; it must succeed."""
        done = self.attempt(environment, index_url, *arguments)
        assert done.status == 0, done.output

    def resolve(self, environment: Environment, index_url: str, requirement: str) -> Done:
        """Find out what would be installed, reading metadata by ranges where there are no sidecars."""
        if self.name == "pip":
            return self.attempt(environment, index_url, "--dry-run", "--use-feature=fast-deps", requirement)
        return self.attempt(environment, index_url, "--dry-run", requirement)
