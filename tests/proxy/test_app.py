"""What is built."""

from pathlib import Path

import pytest

from mirror.health import Health
from mirror.model import ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.simple import render
from mirror.simple.media import Form
from proxy.app import build
from proxy.metrics import Metrics
from tests.proxy.memory import MemoryFiles, MemoryIndex, assemble


async def healthy() -> Health:
    """Be well."""
    return Health(ready=True)


def paths(*indexes: str) -> set[str]:
    """Give the paths of an application with these indexes."""
    app = build(
        indexes={name: MemoryIndex(name) for name in indexes},
        files=MemoryFiles(Path()),
        health=healthy,
        metrics=Metrics(),
    )
    return {resource.canonical for resource in app.router.resources()}


def test_every_index_is_under_its_name_and_one_is_at_the_root() -> None:
    """The index `default` is served at the root as well as under its name, and no other is."""
    places = ("/simple", "/simple/", "/simple/{project}", "/simple/{project}/", "/files/{project}/{filename}")
    operations = {"/healthz", "/readyz", "/metrics"}
    assert paths("default", "team") == operations | {
        prefix + place for prefix in ("", "/default", "/team") for place in places
    }
    assert paths("team") == operations | {f"/team{place}" for place in places}


@pytest.mark.parametrize("path", ["/simple/", "/default/simple/"])
async def test_one_rendering_serves_both_places(tmp_path: Path, path: str) -> None:
    """With relative links the default index is the same bytes under the same tag at both of its places."""
    house = assemble(tmp_path)
    await house.server.start_server()
    house.index.listing = ProjectList(names=(ProjectName("demo"),))
    here, there = await house.ask(path), await house.ask("/simple/")
    await house.server.close()
    assert (here.body, here.headers["ETag"]) == (there.body, there.headers["ETag"])


@pytest.mark.parametrize(("pages_bytes", "rendered"), [(10**6, 1), (1, 3)])
async def test_so_much_of_pages_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages_bytes: int, rendered: int
) -> None:
    """A page that fits into `pages_bytes` is rendered once however often it is asked for, and each time when it does not."""
    pages: list[ProjectPage] = []
    project_page = render.project_page

    def noted(page: ProjectPage, *, file_base: str, form: Form) -> bytes:
        pages.append(page)
        return project_page(page, file_base=file_base, form=form)

    monkeypatch.setattr(render, "project_page", noted)
    house = assemble(tmp_path, pages_bytes=pages_bytes)
    house.index.add("demo")
    await house.server.start_server()
    for _ in range(3):
        assert (await house.ask("/simple/demo/")).status == 200
    await house.server.close()
    assert len(pages) == rendered
