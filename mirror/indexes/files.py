"""Finding a file of a page by its name, without a look at each of 10,000. What no page shows is not found either."""

import msgspec
from cachetools import LRUCache

from mirror.model import File, ProjectPage
from mirror.names import ProjectName
from mirror.simple import offered

HELD_FILES = 100_000
"""Files of the pages for which a dictionary is kept, about 100 bytes each."""


class _Table(msgspec.Struct, frozen=True):
    page: ProjectPage
    files: dict[str, File]


class FilesByName:
    """A dictionary beside each page that was lately searched; it is made anew when the page is another object."""

    def __init__(self) -> None:
        self._tables: LRUCache[ProjectName, _Table] = LRUCache(HELD_FILES, getsizeof=_weight)

    def find(self, page: ProjectPage, filename: str) -> File | None:
        """Give the file of that name; None when the page has none, or the project is quarantined (PEP 792)."""
        table = self._tables.get(page.name)
        if table is None or table.page is not page:
            table = _Table(page, {file.filename: file for file in offered.files(page)})
            self._tables[page.name] = table
        return table.files.get(filename)


def _weight(table: _Table) -> int:
    return min(len(table.files) + 1, HELD_FILES)
