"""Renderings: made once, kept in bounds, never of another page."""

import asyncio
import tracemalloc

import pytest

from mirror.model import File, ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.simple.negotiate import Choice, choose
from proxy import pages as module
from proxy.pages import Pages, Rendering

MIB = 1024 * 1024


def a_page(count: int = 1, first: int = 0) -> ProjectPage:
    """Make a page of `count` files."""
    files = tuple(
        File(filename=f"demo-{number}.tar.gz", url="", hashes={"sha256": f"{number:064x}"}, size=number)
        for number in range(first, first + count)
    )
    return ProjectPage(name=ProjectName("demo"), files=files)


def json() -> Choice:
    """Choose JSON."""
    choice = choose("application/vnd.pypi.simple.v1+json", None)
    assert choice is not None
    return choice


async def ask(pages: Pages, page: ProjectPage, index: str = "default") -> Rendering:
    """Ask for a page in JSON without coding."""
    return await pages.project(index, page, file_base="../../files/", choice=json(), compressed=False)


def bytes_of(rendering: Rendering) -> bytes:
    """Give the body of a rendering, whichever way it is held."""
    return rendering.body if isinstance(rendering.body, bytes) else rendering.body.read()


async def test_a_page_is_rendered_once() -> None:
    """The same page object is the same rendering; an equal one that is another object is rendered again."""
    pages, page = Pages(MIB), a_page()
    first = await ask(pages, page)
    assert await ask(pages, page) is first
    again = await ask(pages, a_page())
    assert again is not first
    assert again.etag == first.etag


@pytest.mark.parametrize("count", [1, 2000])
async def test_a_new_page_takes_the_place_of_the_old(count: int) -> None:
    """When the index gives another object, that one is answered from then on."""
    pages = Pages(MIB)
    await ask(pages, a_page(count))
    new = a_page(count, first=5)
    rendering = await ask(pages, new)
    assert b'"demo-0.tar.gz"' not in bytes_of(rendering)
    assert await ask(pages, new) is rendering


async def test_a_large_page_is_rendered_once_however_many_ask() -> None:
    """Fifty who ask at once for a large page that nobody had yet get one rendering."""
    pages, page = Pages(MIB), a_page(2000)
    renderings = await asyncio.gather(*(ask(pages, page) for _ in range(50)))
    assert all(rendering is renderings[0] for rendering in renderings)
    assert not pages._under_way._tasks


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    """The first of two who wait for a large page is cancelled, and the second gets it."""
    pages, page = Pages(MIB), a_page(2000)
    first = asyncio.create_task(ask(pages, page))
    second = asyncio.create_task(ask(pages, page))
    await asyncio.sleep(0)
    first.cancel()
    rendering = await second
    assert first.cancelled()
    assert b"demo-1999.tar.gz" in bytes_of(rendering)


async def test_a_rendering_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure reaches everybody who waits, and is not remembered."""
    pages, page = Pages(MIB), a_page(2000)
    with monkeypatch.context() as patch:
        patch.setattr(module, "sha256", None)
        outcomes = await asyncio.gather(ask(pages, page), ask(pages, page), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TypeError, TypeError]
    assert (await ask(pages, page)).body


async def test_memory_is_bounded() -> None:
    """The least recently used rendering leaves when there is no room, and one that never fits is still answered."""
    small = [a_page(1, first) for first in range(3)]
    size = (await ask(Pages(MIB), small[0])).weight
    pages = Pages(max_bytes=2 * size + size // 2)
    first, second, third = [(f"index-{number}", page) for number, page in enumerate(small)]
    held = await ask(pages, first[1], first[0])
    left = await ask(pages, second[1], second[0])
    assert await ask(pages, first[1], first[0]) is held
    await ask(pages, third[1], third[0])
    assert await ask(pages, first[1], first[0]) is held
    assert await ask(pages, second[1], second[0]) is not left
    huge = a_page(100)
    assert (await ask(pages, huge)).weight > 3 * size
    assert (await ask(pages, huge)).body == (await ask(pages, huge)).body


async def test_memory_is_bounded_by_what_is_really_taken() -> None:
    """However many small projects somebody asks for, their renderings take about the memory that they may take."""
    bound = 512 * 1024
    pages = Pages(max_bytes=bound)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(2000):
            await ask(pages, ProjectPage(name=ProjectName(f"demo-{number}")))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bound / 2 < after - before < 2 * bound


async def test_indexes_have_their_own_renderings() -> None:
    """Two indexes, two link bases and a project list never share an entry."""
    pages, page, choice = Pages(MIB), a_page(), json()
    one = await ask(pages, page, "one")
    other = await pages.project(
        "one", page, file_base="https://index.example/files/", choice=choice, compressed=False
    )
    listing = await pages.projects("one", ProjectList(names=(page.name,)), choice=choice, compressed=False)
    assert len({one.body, other.body, listing.body}) == 3
    assert await ask(pages, page, "one") is one


async def test_what_is_small_is_not_compressed() -> None:
    """Below a kilobyte, coding costs more than it saves; above, it is coded."""
    pages, choice = Pages(MIB), json()
    small = await pages.project("one", a_page(1), file_base="/", choice=choice, compressed=True)
    large = await pages.project("one", a_page(50), file_base="/", choice=choice, compressed=True)
    assert "Content-Encoding" not in small.headers
    assert large.headers["Content-Encoding"] == "gzip"
