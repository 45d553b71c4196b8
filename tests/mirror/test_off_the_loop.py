"""What takes long with large pages and lists happens in threads, while the event loop serves everybody else."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mirror.errors import ProjectNotFound
from mirror.indexes import first_match, kept, upstream
from mirror.indexes.snapshots import LARGE_WEIGHT, Snapshot
from mirror.model import ProjectPage
from mirror.names import ProjectName
from mirror.simple import parse, render
from mirror.simple.negotiate import choose
from mirror.wiring import open_house
from proxy.pages import Pages
from tests.mirror.indexes.scene import Feed as MemoryFeed
from tests.mirror.indexes.scene import Scene
from tests.mirror.test_wiring import DEMO, listed, settings
from tests.simulator import Simulator

FILES = 2000


@dataclass
class Watched:
    """Some work, and whether it was ever done by the thread of the event loop."""

    work: Callable[..., Any]
    threads: list[threading.Thread] = field(default_factory=list)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Do it."""
        self.threads.append(threading.current_thread())
        return self.work(*arguments, **named)

    @property
    def decode(self) -> "Watched":
        """Stand for a decoder too."""
        return self

    @property
    def was_aside(self) -> bool:
        """Whether it was done, and never on the loop."""
        return bool(self.threads) and threading.main_thread() not in self.threads


def _is_large(value: object) -> bool:
    return (
        isinstance(value, Snapshot)
        and isinstance(value.value, ProjectPage)
        and len(value.value.files) > LARGE_WEIGHT
    )


async def test_large_pages_keep_the_loop_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of thousands of files is parsed, rendered, written and read again after a restart in threads alone."""
    parsing, rendering = Watched(parse.page), Watched(render.project_page)
    reading, writing = Watched(upstream._PAGES.decode), Watched(msgspec.json.encode)
    encode = msgspec.json.encode
    monkeypatch.setattr(parse, "page", parsing)
    monkeypatch.setattr(render, "project_page", rendering)
    monkeypatch.setattr(upstream, "_PAGES", reading)
    monkeypatch.setattr(
        msgspec.json,
        "encode",
        lambda value, **named: (writing if _is_large(value) else encode)(value, **named),
    )
    async with Simulator() as feed:
        for number in range(FILES):
            feed.add("demo", f"demo-{number}.tar.gz", b"")
        configured = settings(tmp_path, listed(feed, "feed"))
        async with open_house(configured, version="1") as house:
            await house.indexes["default"].project(DEMO)
        async with open_house(configured, version="1") as house:
            page = (await house.indexes["default"].project(DEMO)).page
            assert len(page.files) == FILES
    choice = choose(None, None)
    assert choice is not None
    await Pages(10**7).project("default", page, file_base="../../files/", choice=choice, compressed=True)
    assert parsing.was_aside
    assert writing.was_aside
    assert reading.was_aside
    assert rendering.was_aside


async def test_large_lists_keep_the_loop_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of many thousand names are merged in a thread."""
    merging = Watched(first_match._merge)
    monkeypatch.setattr(first_match, "_merge", merging)
    scene, first, second = Scene(), MemoryFeed("first"), MemoryFeed("second")
    for number in range(4000):
        first.page(project=f"a{number}")
        second.page(project=f"b{number}")
    index = scene.index(scene.source(first), scene.source(second))
    assert len((await index.projects()).projects.names) == 8000
    assert merging.was_aside


async def test_names_that_nobody_has_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names clients make up, so many are remembered as unknown, and no more."""
    monkeypatch.setattr(kept, "ABSENT_NAMES", 10)
    scene = Scene()
    source = scene.source(MemoryFeed())
    for number in range(30):
        with pytest.raises(ProjectNotFound):
            await source.project(ProjectName(f"made-up-{number}"))
    assert len(source._pages._absent) == len(source._pages._unheld) == 10
