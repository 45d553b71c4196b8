"""Which source of an index owns a project, written down so that it is still known when an earlier source is down.

Without a route nobody may answer in the place of a source that fails: the name could be its own. A route is the proof
that it is not: each remote source before the owner had been asked and had said no.
"""

import asyncio
from weakref import WeakValueDictionary

import msgspec
from cachetools import LRUCache

from mirror import layout
from mirror.errors import FileNotFound
from mirror.names import ProjectName
from mirror.ports import Clock, Store

KNOWN_ROUTES = 20_000
"""Routes kept in memory, about 500 bytes each."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The document. Sources stand in it by their identity, so that one that is pointed elsewhere has said nothing."""

    owner: str
    denied: tuple[str, ...]
    """The remote sources before the owner: each had said that it does not know the project."""
    said: float
    """Unix seconds."""


_ROUTE = msgspec.json.Decoder(Route)


class Routes:
    """The routes of one index."""

    def __init__(self, index: str, store: Store, clock: Clock) -> None:
        self._index = index
        self._store = store
        self._clock = clock
        self._known: LRUCache[ProjectName, Route] = LRUCache(KNOWN_ROUTES)
        self._locks: WeakValueDictionary[ProjectName, asyncio.Lock] = WeakValueDictionary()

    async def keep(self, project: ProjectName, owner: str, denied: tuple[str, ...]) -> None:
        """Write down who answered and who had said no; what is written already is not written again.

        Raises:
            StoreError: the store failed.
        """
        if _says(self._known.get(project), owner, denied):
            return
        async with self._locks.setdefault(project, asyncio.Lock()):
            if _says(await self._find(project), owner, denied):
                return
            route = Route(owner=owner, denied=denied, said=self._clock())
            await self._store.put(layout.route(self._index, project), msgspec.json.encode(route))
            self._known[project] = route

    async def proves(self, project: ProjectName, unasked: set[str]) -> bool:
        """Tell whether each of those who cannot be asked had said that it does not know the project.

        Raises:
            StoreError: the store failed.
        """
        route = await self._find(project)
        return route is not None and unasked.issubset(route.denied)

    async def _find(self, project: ProjectName) -> Route | None:
        route = self._known.get(project)
        if route is not None:
            return route
        try:
            data, _ = await self._store.get(layout.route(self._index, project))
            route = _ROUTE.decode(data)
        except (FileNotFound, ValueError):
            # A damaged route proves nothing, like none.
            return None
        self._known[project] = route
        return route


def _says(route: Route | None, owner: str, denied: tuple[str, ...]) -> bool:
    return route is not None and route.owner == owner and route.denied == denied
