"""Beyond a bound of requests under way some are turned away at once, so that the others end in time.

Pages go first: who has a page comes for the files, and who is in the middle of an installation should get to its end. What
operators ask is never turned away.
"""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import cycle

from aiohttp import web
from aiohttp.typedefs import Handler

from proxy.middleware import NOTE, Traffic
from proxy.problems import Declined, Problem

RETRY_SECONDS = range(1, 6)
"""Told in turn, so that those who were turned away together do not come back together."""
_SENTENCE = "wheelkeep has as many requests under way as its limits allow: ask again."


class Shedding:
    """Guards handlers by how much is under way.

    Args:
        traffic: knows the requests under way.
        most: requests under way at one time; pages may take three quarters of them.
    """

    def __init__(self, traffic: Traffic, most: int) -> None:
        self._traffic = traffic
        self._most = most
        self._retry = cycle(RETRY_SECONDS)

    def of_pages(self, routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
        """Guard the routes of pages."""
        return self._guarded(routes, max(1, self._most * 3 // 4))

    def of_files(self, routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
        """Guard the routes of files."""
        return self._guarded(routes, self._most)

    def _guarded(self, routes: Iterable[web.RouteDef], most: int) -> list[web.RouteDef]:
        return [
            web.RouteDef(route.method, route.path, self._guard(route.handler, most), route.kwargs)
            for route in routes
        ]

    def _guard(self, handler: Handler, most: int) -> Handler:
        busy = self._traffic.busy

        async def guarded(request: web.Request) -> web.StreamResponse:
            if len(busy) > most:
                request[NOTE].outcome = "shed"
                problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, _SENTENCE, retry_seconds=next(self._retry))
                raise Declined(problem)
            return await handler(request)

        return guarded
