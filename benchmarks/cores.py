"""Who runs where: the server on the first cores, and all that loads it on the last, apart from it where there is more than one."""

import os
import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """The cores that this process may use, in order.

    Attributes:
        all: their numbers; at least one.
    """

    all: tuple[int, ...]

    @property
    def load(self) -> int:
        """The core of the upstream, of wrk, of the clients and of this program."""
        return self.all[-1]

    def server(self, workers: int = 1) -> tuple[int, ...]:
        """Give a core for each worker, as far as there are any beside the load's."""
        return (self.all[:-1] or self.all)[:workers]

    def are_apart(self, workers: int = 1) -> bool:
        """Tell whether each worker has a core that it shares with nobody."""
        return workers < len(self.all)


def available() -> Cores:
    """Find the cores of this process."""
    return Cores(tuple(sorted(os.sched_getaffinity(0))))


def pin(core: int) -> None:
    """Keep this process, and what it starts without another word, on one core."""
    os.sched_setaffinity(0, {core})


def open_many_files() -> None:
    """Let this process and what it starts have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
