"""The street that every scenario with a real client begins with, and what must hold at its end whatever it was about."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from venv import EnvBuilder

import pytest

from tests.clients.installers import Environment, Installer, Name
from tests.clients.street import NEXT_PAT, PAT, Street, open_street
from tests.clients.tools import Tools, install_tools
from tests.simulator import Simulator, running_simulator

NewEnvironment = Callable[[], Environment]


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Give the real clients."""
    return install_tools()


@pytest.fixture(params=["pip", "uv"])
def client(request: pytest.FixtureRequest, tools: Tools, tmp_path: Path) -> Installer:
    """Give a client; the scenario runs once for each."""
    name: Name = request.param
    home = tmp_path / "home"
    home.mkdir()
    return Installer(name, tools, home)


@pytest.fixture
def new_environment(tmp_path: Path) -> NewEnvironment:
    """Give a maker of empty virtual environments."""

    def make() -> Environment:
        folder = tmp_path / f"environment-{len(list(tmp_path.glob('environment-*')))}"
        EnvBuilder(with_pip=False, symlinks=True).create(folder)
        return Environment(folder)

    return make


@pytest.fixture
def street(tmp_path: Path, client: Installer) -> Iterator[Street]:
    """Give the street, and hold at its end that the PAT went to the feed alone."""
    with ExitStack() as stack:
        feed = stack.enter_context(running_simulator(Simulator.azure(PAT)))
        public = stack.enter_context(running_simulator(Simulator(files_on="files")))
        street = open_street(tmp_path, feed, public)
        yield street
        leaks = [asked.path for asked in feed.history if asked.host == "files" and asked.authorization]
        leaks += [asked.path for asked in public.history if asked.authorization]
        assert not leaks, "Credentials were sent to others than the feed."
        for said in (*client.said, *(path.read_text() for path in tmp_path.glob("*/log"))):
            assert_no_secret(said)


def assert_no_secret(text: str) -> None:
    """Hold that neither PAT, nor the header made of it, nor a signature is in a text."""
    for pat in (PAT, NEXT_PAT):
        assert pat not in text
        # Basic is base64 of `user:PAT`: whatever the user's length, one of the three alignments of the PAT is in it.
        for shift in range(3):
            coded = b64encode(b"x" * shift + pat.encode()).decode()
            assert coded[4 * (shift > 0) : -4] not in text
    assert "sig=" not in text
