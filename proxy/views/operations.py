"""What operators and their machines ask: is it alive, is it ready, what did it count."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web

from mirror.errors import WheelkeepError
from mirror.health import Health
from proxy.metrics import Metrics
from proxy.middleware import NOTE, Traffic

HEALTH_SECONDS = 5
"""How long readiness waits for whoever answers for the rest; the house itself is more patient with nothing it asks."""


class OperationsViews:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, health: Callable[[], Awaitable[Health]], metrics: Metrics, traffic: Traffic) -> None:
        self._health = health
        self._metrics = metrics
        self._traffic = traffic

    def routes(self) -> list[web.RouteDef]:
        """Give the routes; each answers HEAD as well."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, request: web.Request) -> web.Response:
        """Say that the loop turns; nothing else, since a restart repairs nothing else."""
        request[NOTE].view = "healthz"
        return _told(HTTPStatus.OK, "ok")

    async def readyz(self, request: web.Request) -> web.Response:
        """Say whether clients should come here, and what is not as it should be.

        A failing upstream degrades and does not unready: what is held is still served, and no other replica would do
        better.
        """
        request[NOTE].view = "readyz"
        return await self._readiness()

    async def _readiness(self) -> web.Response:
        if self._traffic.draining:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "draining", ["The server is shutting down."])
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                health = await self._health()
        except TimeoutError:
            reason = f"The store gave no sign of life within {HEALTH_SECONDS} seconds."
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", [reason])
        except WheelkeepError as error:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", [str(error)])
        if not health.ready:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", health.reasons)
        return _told(HTTPStatus.OK, "degraded" if health.reasons else "ready", health.reasons)

    async def metrics(self, request: web.Request) -> web.Response:
        """Write the metrics in the format that the Accept header prefers."""
        request[NOTE].view = "metrics"
        accept = request.headers.get("Accept", "")
        content_type, body = await asyncio.to_thread(self._metrics.exposition, accept)
        headers = {"Content-Type": content_type, "Cache-Control": "no-store", "Vary": "Accept"}
        return web.Response(body=body, headers=headers)


def _told(status: HTTPStatus, word: str, reasons: Sequence[str] = ()) -> web.Response:
    document = {"status": word, "reasons": list(reasons)} if reasons else {"status": word}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=msgspec.json.encode(document), headers=headers)
