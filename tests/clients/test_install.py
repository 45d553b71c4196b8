"""The main job: real clients install private and public packages through one index URL."""

from collections.abc import Callable

import pytest

from tests.clients.installers import Environment, Installer
from tests.clients.street import BAIT, CORE, PRIVATE, PUBLIC_OLD, PUBLIC_YANKED, UTIL, Street
from tests.simulator import Simulator
from tests.wheels import BuiltFile

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]


def test_cold_then_warm(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """Private and public dependencies come along; the second time no file is fetched, and no unchanged page sent."""
    with street.wheelkeep() as keeper:
        first, second = new_environment(), new_environment()
        client.install(first, keeper.index_url, "acme-core")
        assert first.installed() == PRIVATE
        assert first.run("import acme_core, acme_util, pubdep; print(acme_util.__version__)") == "2.31.0"
        assert whole_downloads(street.feed, UTIL) == whole_downloads(street.public, PUBLIC_OLD) == 1
        street.forget()
        client.install(second, keeper.index_url, "acme-core")
        assert second.installed() == PRIVATE
        assert street.file_requests() == 0
        assert {asked.status for asked in street.public.asked("page")} == {304}


def test_after_a_restart(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """A new process over the same store installs without fetching a file again."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(new_environment(), keeper.index_url, "acme-core")
    street.forget()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-core")
    assert environment.installed() == PRIVATE
    assert street.file_requests() == 0


def test_sdist_is_built(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """A source distribution of the private feed is fetched, built and installed."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-source")
    assert environment.installed() == {"acme-source": "1.0"}


def test_yanked_files_are_for_those_who_pin_them(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """A yanked release is passed over, unless it is pinned."""
    free, pinned = new_environment(), new_environment()
    with street.wheelkeep() as keeper:
        client.install(free, keeper.index_url, "pubdep<2")
        client.install(pinned, keeper.index_url, f"pubdep=={PUBLIC_YANKED.version}")
    assert free.installed() == {"pubdep": "1.0"}
    assert pinned.installed() == {"pubdep": "1.1"}


def test_requires_python_is_obeyed(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """A release for other Pythons is passed over, and refused when it is pinned."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "pubdep", "acme-later")
        assert client.attempt(new_environment(), keeper.index_url, "pubdep==2.0").status != 0
        assert client.attempt(new_environment(), keeper.index_url, "acme-later==5.0").status != 0
    assert environment.installed() == {"pubdep": "1.0", "acme-later": "4.0.0"}


def test_hash_checking_mode(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """With every hash demanded the right files install, and a wrong hash installs nothing."""
    good, bad = street.folder / "good.txt", street.folder / "bad.txt"
    good.write_text("\n".join(map(locked, (CORE, UTIL, PUBLIC_OLD))))
    bad.write_text("\n".join([locked(CORE), locked(UTIL), f"pubdep==1.0 --hash=sha256:{BAIT.sha256}"]))
    environment, other = new_environment(), new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "--require-hashes", "-r", good)
        refused = client.attempt(other, keeper.index_url, "--require-hashes", "-r", bad)
    assert environment.installed() == PRIVATE
    assert refused.status != 0
    assert other.installed() == {}


def locked(built: BuiltFile) -> str:
    """Write a requirement as a lock file has it."""
    return f"{built.project}=={built.version} --hash=sha256:{built.sha256}"


def whole_downloads(feed: Simulator, built: BuiltFile) -> int:
    """Count how often all bytes of a file left an upstream."""
    return [asked.sent for asked in feed.asked(path=f"*/{built.filename}")].count(len(built.data))
