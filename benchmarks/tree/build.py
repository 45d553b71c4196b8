"""Builds the tree once: a finished one is used again until this program would build another."""

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tree import projects
from benchmarks.tree.large import sha256_of, write_wheel
from benchmarks.tree.pages import Listed, write_list, write_project
from tests.wheels import BuiltFile, wheel

_EDITION = "2"
"""Of the tree; another one is built anew."""
_VERSION = "1.0"


@dataclass(frozen=True)
class Tree:
    """The finished tree.

    Attributes:
        root: its folder.
    """

    root: Path

    def file(self, project: str, filename: str) -> Path:
        """Give the place of a file."""
        return self.root / "files" / project / filename

    @property
    def small_file(self) -> Path:
        """A real wheel of about 11 KB."""
        built = projects.linked(projects.SMALL_FILE)
        return self.file(built, f"{built.replace('-', '_')}-{_VERSION}-py3-none-any.whl")

    def large_file(self, size: int) -> Path:
        """Give the place of a large wheel."""
        project = projects.HUGE if size == projects.HUGE_SIZE else projects.LARGE
        return self.file(project, projects.filename_of_large(size))


def build(root: Path) -> Tree:
    """Give the tree, built when it is not there or is of another edition."""
    finished = root / "edition"
    if not finished.exists() or finished.read_text() != _EDITION:
        shutil.rmtree(root, ignore_errors=True)
        _linked(root)
        _pages_alone(root)
        _large(root, projects.LARGE, projects.LARGE_SIZES)
        _large(root, projects.HUGE, (projects.HUGE_SIZE,))
        write_list(root / "simple", projects.all_names())
        write_list(root / projects.MANY / "simple", projects.many_names())
        finished.write_text(_EDITION)
    return Tree(root)


def _linked(root: Path) -> None:
    for number in range(projects.LINKED):
        name = projects.linked(number)
        requires = projects.required_by(number)
        built = wheel(name, _VERSION, requires=requires, size=projects.padding_of(number))
        folder = root / "files" / name
        folder.mkdir(parents=True)
        (folder / built.filename).write_bytes(built.data)
        (folder / f"{built.filename}.metadata").write_bytes(built.metadata)
        write_project(root / "simple", name, [_as_listed(built)])


def _as_listed(built: BuiltFile) -> Listed:
    metadata = hashlib.sha256(built.metadata).hexdigest()
    return Listed(built.filename, len(built.data), built.sha256, metadata)


def _pages_alone(root: Path) -> None:
    for number in range(projects.SMALL):
        _page_alone(root, projects.small(number), projects.filenames_of_small(number))
    _page_alone(root, projects.WIDE, projects.filenames_of_wide())


def _page_alone(root: Path, project: str, filenames: Iterable[str]) -> None:
    """Write a page of files that are not there; digests and sizes are made of their names."""
    files = []
    for filename in filenames:
        digest = hashlib.sha256(filename.encode()).hexdigest()
        metadata = hashlib.sha256(f"{filename}.metadata".encode()).hexdigest()
        files.append(Listed(filename, 10_000 + int(digest[:6], 16), digest, metadata))
    write_project(root / "simple", project, files)


def _large(root: Path, project: str, sizes: Iterable[int]) -> None:
    folder = root / "files" / project
    folder.mkdir(parents=True)
    files = []
    for size in sizes:
        path = folder / projects.filename_of_large(size)
        metadata = write_wheel(path, size)
        path.with_name(f"{path.name}.metadata").write_bytes(metadata)
        files.append(
            Listed(path.name, path.stat().st_size, sha256_of(path), hashlib.sha256(metadata).hexdigest())
        )
    write_project(root / "simple", project, files)
