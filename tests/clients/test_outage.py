"""What was seen once goes on being installed when the upstream is gone, or must not be asked."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.clients.installers import Environment, Installer
from tests.clients.street import PRIVATE, Street, publish
from tests.clients.tap import tapped
from tests.simulator import Reply, faults
from tests.wheels import wheel

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]
MIB = 1024 * 1024


def test_restart_with_the_upstream_stopped(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """After a restart with every upstream down, a new environment gets what the first one got, and no more."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(new_environment(), keeper.index_url, "acme-core")
    street.feed.take_down()
    street.public.take_down()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-core")
        assert environment.installed() == PRIVATE
        assert keeper.ask("/simple/acme-later/").status == 503
        assert client.attempt(new_environment(), keeper.index_url, "acme-later").status != 0


def test_offline_mode_asks_nobody(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """An index that is offline installs what is held and sends no upstream request, ever."""
    environment, other = new_environment(), new_environment()
    with street.wheelkeep() as keeper:
        client.install(new_environment(), keeper.index_url, "acme-core")
    street.forget()
    with street.wheelkeep(mode="offline") as keeper:
        client.install(environment, keeper.index_url, "acme-core")
        unseen = client.attempt(other, keeper.index_url, "acme-later")
        for path in (
            "/simple/",
            "/simple/acme-later/",
            "/files/acme-later/acme_later-4.0.0-py3-none-any.whl",
        ):
            keeper.ask(path)
    assert environment.installed() == PRIVATE
    assert unseen.status != 0
    assert other.installed() == {}
    assert street.feed.requests == []
    assert street.public.requests == []


def test_upstream_comes_back(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """A failure is not remembered: the same process installs as soon as the upstream answers again."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        outage = street.feed.misbehave(faults.status(500))
        assert client.attempt(environment, keeper.index_url, "acme-later").status != 0
        assert outage.struck > 0
        outage.stop()
        client.install(environment, keeper.index_url, "acme-later")
    assert environment.installed() == {"acme-later": "4.0.0"}


@pytest.mark.parametrize(("size", "at"), [(0, 300), (4 * MIB, MIB)])
def test_broken_downloads_are_made_good(
    street: Street, client: Installer, new_environment: NewEnvironment, size: int, at: int
) -> None:
    """A body that breaks off at the upstream is continued or begun again behind the client's back."""
    built = wheel("acme-broken", "1.0", size=size)
    street.feed.add(built.project, built.filename, built.data)
    broken = street.feed.misbehave(faults.cut(at), f"*/{built.filename}", host="files", times=1)
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-broken")
    assert broken.struck == 1
    assert environment.installed() == {"acme-broken": "1.0"}


def test_bad_head_is_not_glued_to_a_good_tail(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """Of a download that broke off in the middle pip asks for the rest, uv for all again: both get the whole, and install it."""
    built = wheel("acme-glued", "1.0", size=4 * MIB)
    publish(street.public, built)  # with a sidecar, so that nobody reads parts of the wheel before
    trouble = BadHead()
    street.public.misbehave(trouble, f"*/{built.filename}", host="files")
    environment, client.retries = new_environment(), 3
    with street.wheelkeep() as keeper, tapped(keeper.port) as tap:
        client.install(environment, tap.index_url, "acme-glued")
        first, second = tap.asked(built.filename)
    assert trouble.came
    assert environment.installed() == {"acme-glued": "1.0"}
    assert "range" not in first.fields
    if client.name == "pip":
        assert 0 < int(second.fields["range"].removeprefix("bytes=").removesuffix("-")) < len(built.data)
        assert second.fields["if-range"].startswith('"u-')
    else:
        assert "range" not in second.fields


@dataclass
class BadHead:
    """The first whole answer is wrong, inside of a member of the archive, and breaks off, and no continuation of it comes; the next whole one is right."""

    came: bool = False

    def __call__(self, reply: Reply) -> Reply:
        """Spoil what is to be spoilt."""
        if reply.status == 206 and not reply.headers["Content-Range"].startswith("bytes 0-"):
            return faults.cut(0)(reply)
        if reply.status == 200 and not self.came:
            self.came = True
            return faults.both(faults.flip(MIB), faults.cut(2 * MIB))(reply)
        return reply


@pytest.mark.parametrize("size", [0, 4 * MIB])
def test_wrong_bytes_are_never_installed(
    street: Street, client: Installer, new_environment: NewEnvironment, size: int
) -> None:
    """A file that is not what the index promised is fetched twice at most, installs nowhere and is not kept."""
    built = wheel("acme-wrong", "1.0", size=size)
    street.feed.add(built.project, built.filename, built.data)
    wrong = street.feed.misbehave(faults.flip(100), f"*/{built.filename}", host="files")
    environment, other = new_environment(), new_environment()
    client.retries = 3
    with street.wheelkeep() as keeper:
        assert client.attempt(environment, keeper.index_url, "acme-wrong").status != 0
    assert environment.installed() == {}
    assert 1 <= [asked.sent for asked in street.feed.asked("blob")].count(len(built.data)) <= 2
    wrong.stop()
    with street.wheelkeep() as keeper:
        client.install(other, keeper.index_url, "acme-wrong")
    assert other.installed() == {"acme-wrong": "1.0"}


def test_wrong_bytes_are_made_good_by_the_clients_own_retry(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """A large file that comes wrong once breaks off unverified; the client's retry gets the right one and installs it."""
    built = wheel("acme-mended", "1.0", size=4 * MIB)
    street.feed.add(built.project, built.filename, built.data)
    wrong = street.feed.misbehave(faults.flip(100), f"*/{built.filename}", host="files", times=1)
    environment, client.retries = new_environment(), 3
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-mended")
    assert wrong.struck == 1
    assert environment.installed() == {"acme-mended": "1.0"}
