"""Which requests a fault strikes, and how often."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.simulator.faults import Fault
from tests.simulator.record import Asked, Host


@dataclass
class Rule:
    """A fault that lies on some paths.

    Attributes:
        fault: what it does to the answer.
        path: a pattern with `*`, matched against the whole decoded path.
        method: only for this method; None: for all.
        host: only on this server; None: on both.
        left: how often it still strikes; None: always.
        struck: how often it did.
    """

    fault: Fault
    path: str = "*"
    method: str | None = None
    host: Host | None = None
    left: int | None = None
    struck: int = 0

    def strikes(self, asked: Asked) -> bool:
        """Tell whether it strikes this request, and count it."""
        if self.left == 0 or self.method not in {None, asked.method} or self.host not in {None, asked.host}:
            return False
        if not fnmatchcase(asked.path, self.path):
            return False
        self.left = None if self.left is None else self.left - 1
        self.struck += 1
        return True

    def stop(self) -> None:
        """Strike no more."""
        self.left = 0
