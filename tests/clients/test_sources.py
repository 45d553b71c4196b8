"""Dependency confusion: a name that the first source owns is never looked up in the second, whatever happens."""

from collections.abc import Callable

import pytest

from tests.clients.installers import Environment, Installer
from tests.clients.street import BAIT, Street
from tests.simulator import faults

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]


def test_private_name_is_never_asked_of_the_public_index(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """The private release is installed although the public index has a higher one, which is not even asked."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "acme-core")
        assert BAIT.filename.encode() not in keeper.ask("/simple/acme-core/").body
        assert client.attempt(new_environment(), keeper.index_url, "acme-core==99.0.0").status != 0
        assert keeper.ask(f"/files/acme-core/{BAIT.filename}").status == 404
    assert environment.run("import acme_core; print(acme_core.__version__)") == "1.0.0"
    assert street.public.count(path="*acme*core*") == 0


@pytest.mark.parametrize("how", ["answers 503", "shows its sign-in page", "is gone"])
def test_failing_private_feed_fails_closed(
    street: Street, client: Installer, new_environment: NewEnvironment, how: str
) -> None:
    """While the first source fails the answer is 503 with a delay in whole seconds, and nothing is installed."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        if how == "is gone":
            street.feed.take_down()
        else:
            street.feed.misbehave(faults.status(503) if how == "answers 503" else faults.sign_in_page())
        assert client.attempt(environment, keeper.index_url, "acme-core").status != 0
        page = keeper.ask("/simple/acme-core/")
    assert environment.installed() == {}
    assert page.status == 503
    assert page.headers["Retry-After"].isdigit()
    assert street.public.count(path="*acme*core*") == 0


def test_public_names_come_from_the_public_index(
    street: Street, client: Installer, new_environment: NewEnvironment
) -> None:
    """A name that the private feed does not know is installed from the public index, after the feed was asked."""
    environment = new_environment()
    with street.wheelkeep() as keeper:
        client.install(environment, keeper.index_url, "pubdep")
    assert environment.installed() == {"pubdep": "1.0"}
    assert [asked.status for asked in street.feed.asked("page", "*/pubdep/")][:1] == [404]
