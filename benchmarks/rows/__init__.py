"""The rows, in the order of the table; importing the modules declares them."""

from benchmarks.row import DECLARED, Row
from benchmarks.rows import cold, files, herds, house, installs, lists, pages

MODULES = (pages, lists, files, cold, herds, house, installs)
"""Each declares its rows."""
ORDER = (
    "small-page-warm",
    "large-page-warm",
    "large-page-first",
    "project-list",
    "project-list-700k",
    "small-file-warm",
    "metadata-warm",
    "large-file-warm",
    "large-file-cold",
    "large-file-cold-throttled",
    "herd-32",
    "herd-500",
    "herd-32-two-workers",
    "herd-500-two-workers",
    "two-workers",
    "memory",
    "start",
    "uv-install",
    "sync",
)
ROWS: dict[str, Row] = {name: DECLARED[name] for name in ORDER}
"""Every row by its name."""
