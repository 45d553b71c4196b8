"""Metadata of a large wheel without sidecar is read by ranges, also where the feed makes that hard."""

from collections.abc import Callable

import pytest

from tests.clients.installers import Environment, Installer
from tests.clients.street import Street
from tests.wheels import wheel

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]
SIZE = 32 * 1024 * 1024


@pytest.mark.parametrize("source", ["feed", "public"])
def test_metadata_of_a_large_wheel(
    street: Street, client: Installer, new_environment: NewEnvironment, source: str
) -> None:
    """Resolving reads a small part of a cold large wheel, although the private feed answers HEAD with 405."""
    built = wheel("acme-large", "1.0", requires=["pubdep<2"], size=SIZE)
    upstream = street.feed if source == "feed" else street.public
    upstream.add(built.project, built.filename, built.data)
    environment = new_environment()
    with street.wheelkeep() as keeper:
        done = client.resolve(environment, keeper.index_url, "acme-large")
        assert done.status == 0, done.output
        assert "pubdep" in done.output
        pulled = sum(asked.sent for asked in upstream.asked(path=f"*/{built.filename}"))
        assert 0 < pulled < SIZE // 10
        client.install(environment, keeper.index_url, "acme-large")
    assert environment.installed() == {"acme-large": "1.0", "pubdep": "1.0"}
