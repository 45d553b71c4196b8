"""With no configuration at all, wheelkeep stands in front of the public index that this machine uses."""

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest

from config import machine
from tests.clients.installers import Environment, Installer
from tests.clients.keeper import Keeper, free_port

pytestmark = [
    pytest.mark.clients,
    pytest.mark.public_index,
    pytest.mark.enable_socket,  # this alone leaves the machine
    pytest.mark.timeout(300),
]
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


def skip_unless_the_public_index_answers() -> None:
    """Ask the index for the one page that the test is about; any HTTP answer at all will do."""
    index = machine.default_index(machine.read(), lambda _url: False).url
    try:
        with urllib.request.urlopen(urljoin(index, "six/"), timeout=PROBE_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError as error:
        pytest.skip(f"The machine's public index cannot be reached: {error}")
