"""Introduces everybody: settings in, a running house out. The only room of `mirror` that reads settings.

Nothing outside is asked while a house opens, so that it opens with every upstream down.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from yarl import URL

from config.settings import Connection as ConnectionSettings
from config.settings import Settings
from config.settings import Upstream as UpstreamSettings
from mirror.cache import DiskCache
from mirror.catalog import CatalogIndex
from mirror.events import Event, Observer, nobody
from mirror.fetch import FileLimits, FileService
from mirror.flight import Division
from mirror.health import Conditions, Health, Readiness
from mirror.indexes import FirstMatch, UpstreamIndex
from mirror.ledger import StoreLedger
from mirror.ports import Clock, Files, Index, Source, Store, Upstream
from mirror.stores.disk import DiskStore
from mirror.upstream.client import UpstreamClient
from mirror.upstream.credentials import Connection, Connections
from mirror.upstream.limits import Limits
from mirror.upstream.slots import Slots

PRIVATE = "private"
"""The name of the source that holds what was published to wheelkeep itself."""


@dataclass(frozen=True, slots=True)
class House:
    """What the door hands to the face and to the commands.

    Attributes:
        indexes: by name, as clients name them in URLs.
        files: the bytes of located files.
        health: readiness, asked anew each time.
        upstreams: by name.
        connection_names: of each upstream, the connection that its index is asked with.
        store: records and bytes.
    """

    indexes: Mapping[str, Index]
    files: Files
    health: Callable[[], Awaitable[Health]]
    upstreams: Mapping[str, Upstream]
    connection_names: Mapping[str, str | None]
    store: Store


@asynccontextmanager
async def open_house(
    settings: Settings, *, version: str, observer: Observer = nobody, clock: Clock = time.time
) -> AsyncIterator[House]:
    """Open the store, the cache and a client for each upstream, and close them in the reverse order.

    Args:
        settings: consistent, as `config.loading` gives them.
        version: of wheelkeep, told to upstreams.
        observer: told of everything that happens.
        clock: Unix seconds.

    Raises:
        StoreError: the directory of the cache cannot be used.
        Invalid: a URL is not one.
    """
    conditions = Conditions(clock)

    def observe(event: Event) -> None:
        conditions(event)
        observer(event)

    async with AsyncExitStack() as stack:
        store = DiskStore(settings.store.directory)
        cache = await DiskCache.open(
            settings.cache.path,
            max_bytes=int(settings.cache.max_bytes),
            memory_bytes=int(settings.cache.memory_bytes),
            clock=clock,
        )
        stack.push_async_callback(cache.aclose)
        clients = _clients(settings, version=version, observer=observe, clock=clock)
        for client in clients.values():
            stack.push_async_callback(client.aclose)
        ledger = StoreLedger(store, {upstream.name: upstream.url for upstream in settings.upstreams})
        files = FileService(clients, cache, ledger, observer=observe, limits=_file_limits(settings))
        stack.push_async_callback(files.aclose)
        sources: dict[str, Source] = {PRIVATE: CatalogIndex(PRIVATE, store, clock, observe)}
        for upstream in settings.upstreams:
            source = UpstreamIndex(
                upstream.name,
                clients[upstream.name],
                store,
                ledger,
                clock=clock,
                observer=observe,
                home=upstream.url,
                page_max_age_seconds=upstream.page_max_age_seconds,
                page_stale_seconds=upstream.page_stale_seconds,
                page_stale_if_error_seconds=upstream.page_stale_if_error_seconds,
            )
            stack.push_async_callback(source.aclose)
            sources[upstream.name] = source
        yield House(
            indexes=_indexes(settings, sources, store=store, clock=clock, observer=observe),
            files=files,
            health=Readiness(conditions, store, clock),
            upstreams=clients,
            connection_names={name: client.connection_name for name, client in clients.items()},
            store=store,
        )


def _indexes(
    settings: Settings, sources: Mapping[str, Source], *, store: Store, clock: Clock, observer: Observer
) -> dict[str, Index]:
    return {
        index.name: FirstMatch(
            index.name,
            [sources[name] for name in index.sources],
            index.mode,
            store=store,
            clock=clock,
            observer=observer,
        )
        for index in settings.indexes
    }


def _clients(
    settings: Settings, *, version: str, observer: Observer, clock: Clock
) -> dict[str, UpstreamClient]:
    connections = Connections(map(_connection, settings.connections))
    limits = _limits(settings)
    room = Slots(_share(settings, settings.limits.all_upstream_connections))

    def client(upstream: UpstreamSettings) -> UpstreamClient:
        return UpstreamClient(
            upstream.name,
            upstream.url,
            connections=connections,
            user_agent=f"wheelkeep/{version}",
            file_hosts=upstream.file_hosts,
            limits=limits,
            within=room,
            observer=observer,
            clock=clock,
        )

    return {upstream.name: client(upstream) for upstream in settings.upstreams}


def _connection(configured: ConnectionSettings) -> Connection:
    secret = configured.secret()
    return Connection(
        name=configured.name,
        category=configured.category,
        target=URL(configured.target),
        auth_type=configured.auth_type,
        username=configured.username,
        secret=None if secret is None else secret.read,
    )


def _share(settings: Settings, connections: int) -> int:
    """Give the part of one worker of what all may do to upstreams."""
    return max(1, connections // settings.server.workers)


def _limits(settings: Settings) -> Limits:
    limits = settings.limits
    return Limits(
        connect_seconds=limits.connect_seconds,
        first_byte_seconds=limits.first_byte_seconds,
        between_bytes_seconds=limits.between_bytes_seconds,
        page_seconds=limits.page_seconds,
        slow_window_seconds=limits.slow_window_seconds,
        slow_bytes_per_second=int(limits.slow_bytes_per_second),
        max_page_bytes=int(limits.max_page_bytes),
        connections=_share(settings, limits.upstream_connections),
    )


def _file_limits(settings: Settings) -> FileLimits:
    limits = settings.limits
    return FileLimits(
        small_file_bytes=int(limits.small_file_bytes),
        relay_from_bytes=int(limits.relay_from_bytes),
        max_file_bytes=int(limits.max_file_bytes),
        flights=limits.flights,
        division=Division(from_bytes=int(limits.segment_from_bytes), connections=limits.segment_connections),
    )
