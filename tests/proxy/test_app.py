"""What is built."""

from pathlib import Path

import pytest

from mirror.health import Health
from mirror.model import ProjectList
from mirror.names import ProjectName
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
