"""Project names, file names and digests: what is malformed is refused here, before anything is asked of anybody.

Sources: the packaging specifications "Names and normalization" (PEP 503) and "Simple repository API" (PEP 691).
"""

import re
from typing import NewType

from mirror.errors import Invalid

ProjectName = NewType("ProjectName", str)
"""A project's name in its normalized form, e.g. `ruamel-yaml`."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""

LONGEST_NAME = 200
"""Characters. Names of distributions end in file names, and a file name holds at most 255 bytes."""
LONGEST_FILENAME = 255
"""Bytes in UTF-8: the limit of every common file system."""

_VALID_NAME = re.compile(r"([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])\Z", re.IGNORECASE | re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_USUAL_FILENAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.+!-]{{0,{LONGEST_FILENAME - 1}}}\Z")
"""Nothing in it is unsafe; a page has ten thousand of them."""
_UNSAFE_IN_FILENAME = re.compile(r"[\x00-\x1f\x7f/\\<>\"'&?#%:*|]|\s")

DISTRIBUTION_SUFFIXES = (
    ".whl",
    ".tar.gz",
    ".zip",
    ".tar.bz2",
    ".tar.xz",
    ".tar.z",
    ".tar",
    ".tgz",
    ".egg",
    ".exe",
    ".msi",
    ".rpm",
    ".deb",
    ".dmg",
)
"""What the file names of distribution files end with in lower case, today's and those of the old uploads that indexes list."""


def project_name(raw: str) -> ProjectName:
    """Normalize a project's name (PEP 503: runs of `-`, `_` and `.` become one `-`, lower case).

    Raises:
        Invalid: `raw` is not a project name.
    """
    if len(raw) > LONGEST_NAME or not _VALID_NAME.match(raw):
        raise Invalid(
            "This is not a project name: a name has letters, digits, '-', '_' and '.' and begins and ends with a letter or digit."
        )
    return ProjectName(_SEPARATORS.sub("-", raw).lower())


def filename(raw: str) -> str:
    """Check that a file name is one path segment that is safe on a page, in a URL and in a header.

    Raises:
        Invalid: it is empty, too long, hidden, or holds a separator, white space, a control or a markup character.
    """
    if _USUAL_FILENAME.match(raw):
        return raw
    if (
        not raw
        or raw.startswith(".")
        or len(raw.encode(errors="replace")) > LONGEST_FILENAME
        or _UNSAFE_IN_FILENAME.search(raw)
        or not raw.isascii()
    ):
        raise Invalid("This is not the name of a distribution file.")
    return raw


def is_distribution(name: str) -> bool:
    """Tell whether a file name looks like one of a distribution file, by its ending alone."""
    return name.endswith(DISTRIBUTION_SUFFIXES) or name.lower().endswith(DISTRIBUTION_SUFFIXES)


def is_wheel(name: str) -> bool:
    """Tell whether a file name is one of a wheel: only wheels have core metadata beside them (PEP 658)."""
    return name.endswith(".whl")


def sha256(raw: str) -> Sha256:
    """Check a SHA-256 digest; upper case is folded.

    Raises:
        Invalid: it is not 64 hexadecimal digits.
    """
    folded = raw.lower()
    if not _SHA256.match(folded):
        raise Invalid("This is not a SHA-256 digest: it has 64 hexadecimal digits.")
    return Sha256(folded)
