"""`wheelkeep serve`: reads the settings, wires the house, serves it, and says once where it is."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bind_contextvars

from config import loading, logs, secrets
from config.complaints import uncapitalised
from config.defaults import WILDCARDS
from config.lines import Lines
from config.settings import Settings
from mirror.errors import StoreError
from wheelkeep import __version__
from wheelkeep.scratch import scratch
from wheelkeep.terminal import Failed, say

if TYPE_CHECKING:
    from proxy.access import Write
    from proxy.metrics import Shared
    from proxy.server import Listening

_log = structlog.stdlib.get_logger("wheelkeep.serve")


def run(config: Path | None, *, host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: the configuration file; None looks for one as `config.loading` says.
        host: wins over the configuration, when given.
        port: likewise.

    Raises:
        ConfigurationError: the configuration is wrong.
        WheelkeepError: a part of the house cannot be built.
        Failed: the store or the cache cannot be had, the address cannot be listened on, or a worker cannot start.
    """
    settings = loading.load(config, host=host, port=port)
    logs.set_up(secrets=secrets.known_values)
    if settings.server.workers == 1:
        asyncio.run(_serve(settings))
    else:
        _serve_together(settings)


@dataclass(frozen=True, slots=True)
class _Place:
    """Of one worker among several."""

    number: int
    listening: "Listening"
    shared: "Shared"
    orders: socket.socket
    ready: Callable[[], None]


def _serve_together(settings: Settings) -> None:
    """Serve with several processes: this one listens and supervises."""
    # What the workers need is loaded here, once, so that they share its memory and start at once.
    from mirror import wiring  # noqa: F401, PLC0415
    from proxy import app  # noqa: F401, PLC0415
    from proxy.metrics import Shared  # noqa: PLC0415
    from wheelkeep.workers import Supervisor  # noqa: PLC0415

    places = _listen(settings)

    def work(number: int, orders: socket.socket, ready: Callable[[], None]) -> None:
        bind_contextvars(worker=number)
        for other in places:
            if other is not places[number - 1]:
                other.close()
        asyncio.run(_serve(settings, _Place(number, places[number - 1], shared, orders, ready)))

    def leave() -> None:
        for each in places:
            each.close()

    with _folder_for_metrics() as folder:
        shared = Shared(folder)
        shared.enter(0)
        gc.freeze()  # a collection in a worker would copy the pages that all share
        Supervisor(
            settings.server.workers,
            work,
            drain_seconds=settings.server.drain_seconds,
            on_ready=lambda: say(announcement(settings, places[0].url)),
            on_death=shared.leave,
            on_leaving=leave,
        ).run()


@contextmanager
def _folder_for_metrics() -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch("wheelkeep-metrics-"))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise Failed(
                f"There is no place for the metrics of several workers ({why}): set TMPDIR."
            ) from error
        yield folder


async def _serve(settings: Settings, place: _Place | None = None) -> None:
    # Imported here, so that a wrong configuration is told without loading the server.
    from mirror import wiring  # noqa: PLC0415
    from proxy import app, room, server  # noqa: PLC0415
    from proxy.metrics import Metrics  # noqa: PLC0415

    metrics = Metrics(__version__)
    if place is not None:
        metrics = await asyncio.to_thread(Metrics, __version__, shared=place.shared, number=place.number)
    async with AsyncExitStack() as stack:
        opening = wiring.open_house(settings, observer=metrics.observe, version=__version__)
        try:
            house = await stack.enter_async_context(opening)
        except StoreError as error:
            raise Failed(unusable(f"[cache] path {settings.cache.path}", str(error))) from error
        # A store that is merely full does not keep wheelkeep from serving what is held.
        health = await house.health()
        if not health.ready:
            raise Failed(unusable(f"[store] url {settings.store.url}", health.reasons[0]))
        application = app.build(
            indexes=house.indexes,
            files=house.files,
            health=house.health,
            metrics=metrics,
            public_url=settings.server.public_url,
            write_seconds=settings.limits.write_seconds,
            most_requests=settings.limits.requests,
            pages_bytes=int(settings.cache.pages_bytes),
            write_line=_access_log(None if place is None else place.number),
        )
        connections = room.make_room(settings.limits.connections)
        if connections < settings.limits.connections:
            _log.warning(
                "fewer connections than configured",
                connections=connections,
                reason="[limits] connections does not fit into the limit of open files: raise that (ulimit -Hn), or lower connections.",
            )
        listening = (await asyncio.to_thread(_listen, settings))[0] if place is None else place.listening
        pulse = asyncio.create_task(metrics.pulse())
        stack.push_async_callback(_cancelled, pulse)
        gc.freeze()  # all that is here now stays: a collection that looks through it keeps every client waiting
        await server.serve(
            application,
            listening,
            drain_seconds=settings.server.drain_seconds,
            keepalive_seconds=settings.server.keepalive_seconds,
            write_seconds=settings.limits.write_seconds,
            most_connections=connections,
            orders=None if place is None else place.orders,
            on_ready=place.ready if place else lambda: say(announcement(settings, listening.url)),
        )


def _access_log(worker: int | None) -> "Write":
    """Give what writes the access lines: a person at a terminal reads few of them, a file gets many."""
    from proxy.access import write_structured  # noqa: PLC0415  (see `_serve`)

    if sys.stderr.isatty():
        return write_structured
    return Lines(sys.stderr, secrets.known_values, {} if worker is None else {"worker": worker})


def _listen(settings: Settings) -> "list[Listening]":
    """Listen for each worker."""
    from proxy import server  # noqa: PLC0415  (see `_serve`)

    configured = settings.server
    try:
        return server.listen(configured.host, configured.port, workers=configured.workers)
    except server.CannotListen as error:
        raise Failed(str(error)) from error


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def unusable(place: str, why: str) -> str:
    """Say that a place of the configuration cannot be used, and go on with the sentence that says why."""
    return f"{place} cannot be used: {uncapitalised(why)}."


def announcement(settings: Settings, served: str) -> str:
    """Say where the index is and how pip and uv are pointed at it, in one line.

    Args:
        settings: what is served.
        served: the URL that is listened on, without a slash at its end.
    """
    names = [index.name for index in settings.indexes]
    prefix = "" if "default" in names else f"/{names[0]}"
    url = f"{seen_url(settings, served)}{prefix}/simple/"
    return f"wheelkeep serves {url} (pip install --index-url {url} NAME; uv pip install --default-index {url} NAME)"


def seen_url(settings: Settings, served: str) -> str:
    """Give the URL in front of wheelkeep as a client would write it, without a slash at its end."""
    if settings.server.public_url:
        return settings.server.public_url
    if settings.server.host in WILDCARDS:
        # Nobody can be pointed at "every address".
        _, _, port = served.rpartition(":")
        return f"http://{socket.gethostname()}:{port}"
    return served
