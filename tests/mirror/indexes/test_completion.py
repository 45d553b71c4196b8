"""Completing a page by what was learned."""

from collections.abc import Mapping

import pytest

from mirror.indexes.completion import completed
from mirror.model import File, Learned, ProjectPage
from mirror.names import ProjectName, Sha256

WHEEL = "six-1-py3-none-any.whl"
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
FACTS = Learned(sha256=Sha256(ONE), size=7, metadata_sha256=Sha256(TWO))


def completed_file(file: File, facts: Learned = FACTS) -> File:
    """Complete the only file of a page."""
    page = ProjectPage(name=ProjectName("six"), files=(file,))
    return completed(page, {file.filename: facts}).files[0]


def test_fills_what_was_not_said() -> None:
    """Digest, size and core metadata are filled in; everything else stays."""
    file = File(filename=WHEEL, url="u", hashes={"md5": "m"}, yanked="why", requires_python=">=3")
    assert completed_file(file) == File(
        filename=WHEEL,
        url="u",
        hashes={"md5": "m", "sha256": ONE},
        size=7,
        yanked="why",
        requires_python=">=3",
        core_metadata={"sha256": TWO},
    )


def test_keeps_what_was_said() -> None:
    """What the upstream says itself is never replaced, and then the file and the page are the very same."""
    file = File(filename=WHEEL, url="u", hashes={"sha256": ONE}, size=8, core_metadata={"sha256": TWO})
    assert completed_file(file) is file
    page = ProjectPage(name=ProjectName("six"), files=(file,))
    assert completed(page, {WHEEL: FACTS}) is page
    assert completed(page, {}) is page


def test_another_file_of_that_name() -> None:
    """What was learned of other bytes than the upstream lists now says nothing about them."""
    file = File(filename=WHEEL, url="u", hashes={"sha256": THREE})
    assert completed_file(file) is file


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (False, {"sha256": TWO}),
        (True, {"sha256": TWO}),
        ({"sha512": "x"}, {"sha256": TWO}),
        ({"sha256": THREE}, {"sha256": TWO}),
    ],
)
def test_core_metadata(told: bool | Mapping[str, str], expected: Mapping[str, str]) -> None:  # noqa: FBT001 - PEP 714
    """The digest of the wheel's own metadata is announced, whatever the upstream said of it."""
    assert completed_file(File(filename=WHEEL, url="u", core_metadata=told)).core_metadata == expected


def test_only_wheels_have_core_metadata() -> None:
    """No core metadata is announced for what is not a wheel, nor for a wheel whose metadata was not read."""
    assert completed_file(File(filename="six-1.tar.gz", url="u")).core_metadata is False
    facts = Learned(sha256=Sha256(ONE), size=7)
    for told in (False, True, {"sha256": THREE}):
        assert completed_file(File(filename=WHEEL, url="u", core_metadata=told), facts).core_metadata is False
