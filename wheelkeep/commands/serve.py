"""`wheelkeep serve`: reads the settings, wires the house, serves it, and says once where it is."""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from config import loading, logs, secrets
from config.complaints import uncapitalised
from config.defaults import WILDCARDS
from config.lines import Lines
from config.settings import Settings
from mirror.errors import StoreError
from wheelkeep import __version__
from wheelkeep.terminal import Failed, say


def run(config: Path | None, *, host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: the configuration file; None looks for one as `config.loading` says.
        host: wins over the configuration, when given.
        port: likewise.

    Raises:
        ConfigurationError: the configuration is wrong.
        WheelkeepError: a part of the house cannot be built.
        Failed: the store or the cache cannot be had, or the address cannot be listened on.
    """
    settings = loading.load(config, host=host, port=port)
    logs.set_up(secrets=secrets.known_values)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    # Imported here, so that a wrong configuration is told without loading the server.
    from mirror import wiring  # noqa: PLC0415
    from proxy import app, server  # noqa: PLC0415
    from proxy.access import write_structured  # noqa: PLC0415
    from proxy.metrics import Metrics  # noqa: PLC0415

    metrics = Metrics(__version__)
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
            write_line=write_structured if sys.stderr.isatty() else Lines(sys.stderr, secrets.known_values),
        )
        try:
            await server.serve(
                application,
                settings.server.host,
                settings.server.port,
                drain_seconds=settings.server.drain_seconds,
                keepalive_seconds=settings.server.keepalive_seconds,
                on_ready=lambda url: say(announcement(settings, url)),
            )
        except server.CannotListen as error:
            raise Failed(str(error)) from error


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
