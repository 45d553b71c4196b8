"""Finding a file of a page by its name."""

import pytest
from msgspec.structs import replace

from mirror.indexes.files import FilesByName
from mirror.model import File, ProjectPage, ProjectStatus
from mirror.names import ProjectName

ONE = File(filename="six-1.whl", url="https://feed.invalid/six-1.whl")
PAGE = ProjectPage(name=ProjectName("six"), files=(ONE,))


def test_a_page_of_another_object_is_another_page() -> None:
    """What is found is on the page that was given, whatever the last page of that project had."""
    files = FilesByName()
    assert files.find(PAGE, "six-1.whl") is ONE
    assert files.find(replace(PAGE, files=()), "six-1.whl") is None


@pytest.mark.parametrize(("status", "found"), [("quarantined", False), ("deprecated", True)])
def test_what_no_page_shows_is_not_found(status: str, *, found: bool) -> None:
    """A file of a quarantined project is not given to who knows its URL, for no page offers it (PEP 792)."""
    page = replace(PAGE, status=ProjectStatus(status=status))
    assert FilesByName().find(page, "six-1.whl") is (ONE if found else None)
