"""Which projects there are, by name and file name; the same each time. Pure.

Two kinds have files: the linked ones, which are real wheels that require each other, and the large ones. The wide and the small
ones are pages alone: nobody asks for their files.
"""

from collections.abc import Iterator

LINKED = 177
"""Real wheels. The first requires three others, each of these three more, and so on: it brings them all."""
SMALL = 2_000
FILES_OF_SMALL = 20
FILES_OF_WIDE = 10_000
LISTED = 700_000
MANY = "many"
"""The folder of the index that is nothing but a list of so many names."""
WIDE = "bench-wide"
LARGE = "bench-large"
HUGE = "bench-huge"
MB = 1_000_000
LARGE_SIZES = (16 * MB, 64 * MB, 256 * MB)
HUGE_SIZE = 1_000 * MB

ROOT_REQUIREMENT = "bench-linked-000"
"""What brings all 177."""
SMALL_FILE = 9
"""The linked wheel that stands for a small file: about 11 KB."""
_BRANCHES = 3
_TAGS = (
    "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64",
    "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "cp312-cp312-musllinux_1_2_x86_64",
    "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-win_amd64",
    "py3-none-any",
)
_WORDS = (
    "acme",
    "data",
    "cloud",
    "micro",
    "py",
    "django",
    "async",
    "simple",
    "open",
    "deep",
    "fast",
    "web",
    "auto",
)


def linked(number: int) -> str:
    """Name a linked project."""
    return f"bench-linked-{number:03}"


def required_by(number: int) -> list[str]:
    """Name what a linked project requires."""
    first = _BRANCHES * number + 1
    return [linked(other) for other in range(first, min(first + _BRANCHES, LINKED))]


def padding_of(number: int) -> int:
    """Tell how many incompressible bytes a linked wheel holds: from 2 to about 200 KB."""
    return 10_000 if number == SMALL_FILE else 2_000 + number * 7_919 % 200_000


def small(number: int) -> str:
    """Name a small project."""
    return f"bench-small-{number:04}"


def filenames_of_small(number: int) -> list[str]:
    """Name the files of a small project, oldest first."""
    stem = small(number).replace("-", "_")
    return [f"{stem}-1.{minor}.0-py3-none-any.whl" for minor in range(FILES_OF_SMALL)]


def filenames_of_wide() -> list[str]:
    """Name the files of the wide project, oldest first."""
    stem = WIDE.replace("-", "_")
    versions = FILES_OF_WIDE // len(_TAGS)
    return [f"{stem}-{v // 100}.{v // 10 % 10}.{v % 10}-{tag}.whl" for v in range(versions) for tag in _TAGS]


def filename_of_large(size: int) -> str:
    """Name the wheel of about so many bytes; its version tells the size in MB."""
    project = HUGE if size == HUGE_SIZE else LARGE
    return f"{project.replace('-', '_')}-{size // MB}.0-py3-none-any.whl"


def all_names() -> list[str]:
    """Name every project that has a page, sorted."""
    names = [linked(number) for number in range(LINKED)] + [small(number) for number in range(SMALL)]
    return sorted([*names, WIDE, LARGE, HUGE])


def many_names() -> Iterator[str]:
    """Name the projects of the long list."""
    for number in range(LISTED):
        yield f"{_WORDS[number % len(_WORDS)]}-{number * 7_919 % 1_000_003:06}"
