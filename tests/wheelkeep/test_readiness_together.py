"""What several workers say of themselves when an upstream fails one of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.simulator import Simulator, faults
from tests.wheelkeep.test_workers import serving


class Told(msgspec.Struct):
    """What readiness says."""

    status: str
    reasons: tuple[str, ...] = ()


@pytest.fixture
async def feed() -> AsyncIterator[Simulator]:
    """Give an upstream that fails."""
    async with Simulator() as feed:
        feed.misbehave(faults.status(503), "*")
        yield feed


async def test_no_worker_is_unready_for_what_one_has_met(
    tmp_path: Path, environ: dict[str, str], feed: Simulator
) -> None:
    """When an upstream fails one worker, every one is ready, those that have not met it give no reason, and metrics tell it of all."""
    async with serving(tmp_path, environ, feed) as server:
        assert (await server.get("/simple/small/")).status == 503
        said = [await server.get("/readyz") for _ in range(24)]
        assert {answer.status for answer in said} == {200}
        documents = [msgspec.json.decode(answer.body, type=Told) for answer in said]
        reasons = {document.status: document.reasons for document in documents}
        assert reasons.keys() == {"ready", "degraded"}
        assert reasons["ready"] == ()
        assert ["feed" in reason for reason in reasons["degraded"]] == [True]
        told = [await server.counted("wheelkeep_upstream_degraded", upstream="feed") for _ in range(8)]
        assert told == [1.0] * 8
