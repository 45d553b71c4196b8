"""The keys of the store."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror import layout
from mirror.names import LONGEST_NAME, ProjectName, project_name
from mirror.stores.keys import check_key

KEYS: tuple[tuple[str, Callable[[ProjectName], str]], ...] = (
    (
        "v1/snapshots/feed/0123456789abcdef/list.json",
        lambda _: layout.snapshot_of_list("feed", "0123456789abcdef"),
    ),
    (
        "v1/snapshots/feed/0123456789abcdef/pages/{}.json",
        lambda name: layout.snapshot_of_page("feed", "0123456789abcdef", name),
    ),
    ("v1/learned/feed/local/{}.json", lambda name: layout.learned("feed", layout.LOCAL, name)),
    ("v1/routes/default/{}.json", lambda name: layout.route("default", name)),
    ("v1/catalog/private/projects/{}.json", lambda name: layout.catalog_record("private", name)),
    ("v1/probes/n1", lambda _: layout.probe("n1")),
)


@pytest.mark.parametrize(("expected", "key"), KEYS)
def test_tree(expected: str, key: Callable[[ProjectName], str]) -> None:
    """Keys are what the tree in the docstring draws: what is written by one version is found by the next."""
    assert key(ProjectName("ruamel-yaml")) == expected.format("ruamel-yaml")


@given(
    name=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", fullmatch=True).filter(
        lambda raw: len(raw) <= LONGEST_NAME
    )
)
def test_every_project_has_keys(name: str) -> None:
    """Each key made of any project name fits the grammar of stores, and a record's key gives the name back."""
    project = project_name(name)
    for _, key in KEYS:
        check_key(key(project))
    assert layout.catalogued("private", layout.catalog_record("private", project)) == project


def test_homes() -> None:
    """Another URL is another home, and a final slash makes no difference."""
    feed = layout.home_of("https://feeds.example.com/org/simple")
    assert feed == layout.home_of("https://feeds.example.com/org/simple/")
    assert feed != layout.home_of("https://feeds.example.com/other/simple")
    assert feed != layout.LOCAL
