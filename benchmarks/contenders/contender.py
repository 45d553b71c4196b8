"""What a contender is: something that can be run in front of a site of the upstream, and asked like an index."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.ask import expect, find_file
from benchmarks.bench import Bench
from benchmarks.upstream import Site


@dataclass(frozen=True)
class Running:
    """A contender that runs.

    Attributes:
        name: of the contender.
        index_url: of its simple index, with a slash at its end.
        group: its process group; None: it has no processes of its own.
    """

    name: str
    index_url: str
    group: int | None

    def page_url(self, project: str) -> str:
        """Give the URL of a project page."""
        return f"{self.index_url}{project}/"

    def file_url(self, project: str, filename: str) -> str:
        """Ask for a project page, and give the URL that it has for a file.

        Raises:
            WrongAnswer: the page is not there or does not list it.
        """
        return find_file(expect(self.page_url(project)), filename)


class Contender(Protocol):
    """Can be run."""

    @property
    def name(self) -> str:
        """In the table."""

    def running(self, bench: Bench, site: Site, folder: Path) -> AbstractContextManager[Running]:
        """Run in front of a site until the block ends; what is in the folder from before is used again.

        Raises:
            Unavailable: it is not installed or does not start.
            WrongAnswer: it cannot be set up.
        """
