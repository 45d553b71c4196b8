"""With no configuration at all, wheelkeep stands in front of the public index that this machine uses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest

from config import machine
from tests.clients.installers import Environment, Installer
from tests.clients.keeper import Keeper, free_port

pytestmark = [pytest.mark.clients, pytest.mark.public_index, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]
PROBE_SECONDS = 20


def test_six_with_no_configuration(
    tmp_path: Path, client: Installer, new_environment: NewEnvironment
) -> None:
    """`six` installs from the public index through a wheelkeep that was told its port and nothing else."""
    skip_unless_the_public_index_answers()
    environment, again = new_environment(), new_environment()
    folder, port = tmp_path / "house", free_port()
    folder.mkdir()
    house = Keeper(folder, port, environment={"WHEELKEEP_SERVER__PORT": str(port)})
    with house.running() as keeper:
        client.install(environment, keeper.index_url, "six")
        client.install(again, keeper.index_url, "six")
    assert set(environment.installed()) == {"six"}
    assert again.installed() == environment.installed()
    assert (folder / "wheelkeep-data").is_dir()


_PROBE = f"""
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout={PROBE_SECONDS}).close()
except urllib.error.HTTPError:
    pass
except OSError as error:
    sys.exit(str(error))
"""
"""A program of its own, for tests stay on this machine."""


def skip_unless_the_public_index_answers() -> None:
    """Ask the index for the one page that the test is about; any HTTP answer at all will do."""
    index = machine.default_index(machine.read(), lambda _url: False).url
    command = [sys.executable, "-c", _PROBE, urljoin(index, "six/")]
    asked = subprocess.run(command, capture_output=True, check=False, text=True)
    if asked.returncode:
        pytest.skip(f"The machine's public index cannot be reached: {asked.stderr.strip()}")
