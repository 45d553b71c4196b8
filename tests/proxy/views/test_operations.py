"""What probers and Prometheus are told."""

import asyncio

import msgspec
import pytest

from mirror.errors import StoreError
from mirror.health import STORE_PATIENCE_SECONDS, Health
from proxy.metrics import Metrics
from proxy.middleware import TRAFFIC, Traffic
from proxy.views import operations
from proxy.views.operations import OperationsViews
from tests.proxy.memory import House


async def test_health_is_that_the_loop_turns(house: House) -> None:
    """Liveness is 200 whatever else is wrong, and may not be stored."""
    house.health.append(Health(ready=False, reasons=("The store is gone.",)))
    reply = await house.ask("/healthz")
    assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("health", "status", "document"),
    [
        (Health(ready=True), 200, {"status": "ready"}),
        (
            Health(ready=True, reasons=("feed fails.",)),
            200,
            {"status": "degraded", "reasons": ["feed fails."]},
        ),
        (Health(ready=False, reasons=("No disk.",)), 503, {"status": "unavailable", "reasons": ["No disk."]}),
    ],
)
async def test_readiness_tells_the_truth(
    house: House, health: Health, status: int, document: dict[str, object]
) -> None:
    """A failing upstream degrades and stays ready; a store that does not work is not ready; both say why."""
    house.health.append(health)
    reply = await house.ask("/readyz")
    assert reply.status == status
    assert msgspec.json.decode(reply.body) == document
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_server_that_leaves_is_not_ready(house: House) -> None:
    """From the moment a server drains, readiness is off, however well everything is."""
    house.app[TRAFFIC].draining = True
    reply = await house.ask("/readyz")
    assert reply.status == 503
    assert msgspec.json.decode(reply.body)["status"] == "draining"


async def test_a_probe_that_fails_is_not_ready(house: House) -> None:
    """When asking for health fails, that is the answer, with its reason."""

    async def fail() -> Health:
        raise StoreError("The store failed.")

    reply = await OperationsViews(fail, Metrics(), Traffic())._readiness()
    assert reply.status == 503
    assert reply.body == b'{"status":"unavailable","reasons":["The store failed."]}'


async def test_a_probe_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness does not wait for ever for a store that says nothing."""
    monkeypatch.setattr(operations, "HEALTH_SECONDS", 0.01)

    async def hang() -> Health:
        await asyncio.Event().wait()
        return Health(ready=True)

    reply = await OperationsViews(hang, Metrics(), Traffic())._readiness()
    assert reply.status == 503


def test_the_house_gives_its_own_reason() -> None:
    """A store that hangs is given up by the house, which says so and remembers it, before readiness gives up the house."""
    assert STORE_PATIENCE_SECONDS < operations.HEALTH_SECONDS


async def test_metrics_are_served(house: House) -> None:
    """Prometheus reads what was counted, in the format that it asks for."""
    await house.ask("/healthz")
    reply = await house.ask("/metrics")
    assert reply.status == 200
    assert b'wheelkeep_requests_total{method="GET",status="200",view="healthz"} 1.0' in reply.body
    assert reply.headers["Cache-Control"] == "no-store"
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert (
        (await house.ask("/metrics", asked))
        .headers["Content-Type"]
        .startswith("application/openmetrics-text")
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_head_is_answered(house: House, path: str) -> None:
    """Probers that use HEAD get what GET gets, without a body."""
    reply = await house.ask(path, method="HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) > 0
