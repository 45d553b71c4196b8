"""Memory of a process group, from /proc: resident bytes now, and the most since a mark.

The kernel keeps the peak of each process itself (`VmHWM`, proc(5)) and resets it when 5 is written to `clear_refs`. So nothing
is missed between two samples, and nobody has to sample while a server is measured. Pages that processes share count for each.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

PROC = Path("/proc")
KIB = 1024
_RESET_PEAK = "5"


def members(group: int) -> Iterator[Path]:
    """Give the /proc folders of the processes of a group."""
    for folder in PROC.iterdir():
        if folder.name.isdigit() and _group_of(folder) == group:
            yield folder


def resident_bytes(group: int) -> int:
    """Sum what the processes of a group have in memory now."""
    return _sum(group, "VmRSS")


def peak_bytes(group: int) -> int:
    """Sum the most that each process of a group had in memory since `mark`."""
    return _sum(group, "VmHWM")


def mark(group: int) -> None:
    """Forget the peaks so far."""
    for folder in members(group):
        _unless_gone(lambda folder=folder: (folder / "clear_refs").write_text(_RESET_PEAK))  # type: ignore[misc]


def _sum(group: int, field: str) -> int:
    return sum(_unless_gone(lambda folder=folder: _field(folder, field)) for folder in members(group))  # type: ignore[misc]


def _field(folder: Path, field: str) -> int:
    for line in (folder / "status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * KIB
    return 0


def _group_of(folder: Path) -> int:
    def read() -> int:
        # The name of the program stands in parentheses and may hold anything; the group is the third field after it.
        _, _, rest = (folder / "stat").read_text().rpartition(") ")
        return int(rest.split()[2])

    return _unless_gone(read)


def _unless_gone(read: Callable[[], int]) -> int:
    """Count a process that has just ended as nothing."""
    try:
        return read()
    except (FileNotFoundError, ProcessLookupError):
        return 0
