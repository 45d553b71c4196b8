"""The PAT stays between wheelkeep and the feed, also when it changes."""

from collections.abc import Callable

import pytest

from tests.clients.conftest import assert_no_secret
from tests.clients.installers import Environment, Installer
from tests.clients.street import CORE, NEXT_PAT, PRIVATE, Street
from tests.simulator import Pat, Refusal

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
NewEnvironment = Callable[[], Environment]
PATHS = (
    "/",
    "/simple/",
    "/simple/acme-core/",
    "/simple/acme-later/",
    "/simple/acme-core",
    f"/files/acme-core/{CORE.filename}",
    "/files/acme-core/nothing-1.0.tar.gz",
    "/healthz",
    "/readyz",
    "/metrics",
)


@pytest.mark.parametrize("refusal", ["401", "203", "302"])
def test_rotated_pat(
    street: Street, client: Installer, new_environment: NewEnvironment, refusal: Refusal
) -> None:
    """A PAT that the feed stopped taking fails for new packages only; once its file is rewritten all is well again."""
    cold, warm, new = new_environment(), new_environment(), new_environment()
    street.feed.shape.refusal = refusal
    with street.wheelkeep() as keeper:
        client.install(new_environment(), keeper.index_url, "acme-core")
        street.feed.rotate(NEXT_PAT)
        assert client.attempt(cold, keeper.index_url, "acme-later").status != 0
        assert keeper.ask("/simple/acme-later/").status == 503
        client.install(warm, keeper.index_url, "acme-core")
        street.secret_file.write_text(NEXT_PAT)
        client.install(new, keeper.index_url, "acme-later")
    assert cold.installed() == {}
    assert warm.installed() == PRIVATE
    assert new.installed() == {"acme-later": "4.0.0"}


def test_nobody_sees_the_pat(street: Street, client: Installer, new_environment: NewEnvironment) -> None:
    """Neither answers, headers, metrics, logs nor anything on disk hold the PAT or a signature, in good days or bad."""
    with street.wheelkeep() as keeper:
        client.install(new_environment(), keeper.index_url, "acme-core")
        for credential in (street.feed.shape.credential, Pat("another")):
            street.feed.shape.credential = credential
            client.attempt(new_environment(), keeper.index_url, "acme-later", "-v")
            for path in PATHS:
                said = keeper.ask(path, {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="})
                assert_no_secret(f"{said.headers}{said.body.decode('latin-1')}")
    kept = [path for path in keeper.folder.rglob("*") if path.is_file()]
    assert kept
    for file in kept:
        assert_no_secret(file.read_bytes().decode("latin-1"))
    assert street.feed.count("page", "*/acme-core/") > 0
