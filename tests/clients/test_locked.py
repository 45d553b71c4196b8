"""A lock file holds file URLs: they must open years later, on a wheelkeep that never saw the page."""

import re
from collections.abc import Callable

import pytest

from tests.clients.installers import Environment, Installer
from tests.clients.street import CORE, PRIVATE, PUBLIC_OLD, UTIL, Street

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]
PYPROJECT = """
[project]
name = "app"
version = "0"
requires-python = ">=3.11"
dependencies = ["acme-core", "pubdep<2"]
"""


@pytest.mark.parametrize("client", ["uv"], indirect=True)
def test_uv_sync_frozen(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """What one wheelkeep locked, a fresh one with an empty store at the same address installs from the file URLs."""
    project = street.folder / "app"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    with street.wheelkeep("first") as keeper:
        locked = client.run(
            [client.tools.uv, "lock", "--no-cache", "--default-index", keeper.index_url], cwd=project
        )
        assert locked.status == 0, locked.output
    lock = (project / "uv.lock").read_text()
    assert f"{keeper.url}/files/acme-core/{CORE.filename}" in lock
    assert "?" not in "".join(re.findall(r'url = "([^"]*)"', lock))
    with street.wheelkeep("second"):
        synced = client.run([client.tools.uv, "sync", "--frozen", "--no-cache"], cwd=project)
    assert synced.status == 0, synced.output
    assert Environment(project / ".venv").installed() == PRIVATE


@pytest.mark.parametrize("client", ["pip"], indirect=True)
def test_pip_installs_file_urls(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """Pinned file URLs with hashes install from a fresh process that was never asked for a page."""
    environment = new_environment()
    requirements = street.folder / "urls.txt"
    with street.wheelkeep() as keeper:
        requirements.write_text(
            "\n".join(
                f"{built.project} @ {keeper.url}/files/{built.project}/{built.filename}#sha256={built.sha256}"
                for built in (CORE, UTIL, PUBLIC_OLD)
            )
        )
        client.install(environment, keeper.index_url, "--no-deps", "-r", requirements)
    assert environment.installed() == PRIVATE
