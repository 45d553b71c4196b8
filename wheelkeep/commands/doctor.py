"""`wheelkeep doctor`: checks everything that must be right before clients come, and says what to fix.

It asks each upstream that an index uses for the page of a project that hardly exists, with the credentials that the
proxy would send, through the same code. A page and "not found" are both fine. It never touches what a running wheelkeep
keeps in its cache: the house it opens has a cache of its own that is thrown away.
"""

import asyncio
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from config import loading, logs, secrets
from config.complaints import cause, uncapitalised
from config.errors import ConfigurationError
from config.settings import Connection, Settings
from mirror.errors import ProjectNotFound, Rejected, StoreError, WheelkeepError
from mirror.names import project_name
from mirror.ports import Store, Upstream
from wheelkeep import __version__
from wheelkeep.terminal import say

PROBE = project_name("wheelkeep-doctor")
"""The project that is asked for."""
LEAST_FREE_BYTES = 100_000_000
"""A disk with less room than this cannot take the next large wheel."""

_GB = 1_000_000_000


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        subject: what, e.g. `upstream feed`.
        ok: whether it is as it should be.
        sentence: what was found, and on failure what to do.
    """

    subject: str
    ok: bool
    sentence: str


def run(config: Path | None, *, as_json: bool) -> bool:
    """Check, print, and tell whether all is well.

    Args:
        config: the configuration file; None looks for one as `config.loading` says.
        as_json: print one document, `{"ok": bool, "checks": [{"subject", "ok", "sentence"}]}`.
    """
    # What the checks find is in their sentences; the log would only say it twice.
    logs.set_up(secrets=secrets.known_values, level=logging.CRITICAL)
    checks = _examine(config)
    if as_json:
        report = {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}
        say(json.dumps(report, indent=2))
    else:
        for check in checks:
            say(f"{'ok' if check.ok else 'FAILED':<6}  {check.subject}: {check.sentence}")
    return all(check.ok for check in checks)


def _examine(config: Path | None) -> list[Check]:
    try:
        settings = loading.load(config)
    except ConfigurationError as error:
        return [Check("configuration", ok=False, sentence=line) for line in str(error).splitlines()]
    indexes = ", ".join(index.name for index in settings.indexes)
    return [
        Check("configuration", ok=True, sentence=f"It is valid; the indexes are {indexes}."),
        *(check_secret(connection) for connection in settings.connections),
        check_cache(settings.cache.path),
        *_check_aside(settings),
    ]


def _check_aside(settings: Settings) -> list[Check]:
    try:
        aside = tempfile.TemporaryDirectory(prefix="wheelkeep-doctor-")
    except OSError:
        sentence = "None can be made, so store and upstreams were not checked: set TMPDIR to where one can."
        return [Check("temporary directory", ok=False, sentence=sentence)]
    with aside as scratch:
        cache = settings.cache.model_copy(update={"path": Path(scratch)})
        return asyncio.run(_check_house(settings.model_copy(update={"cache": cache})))


def check_secret(connection: Connection) -> Check:
    """Read a connection's secret, as a request would."""
    subject = f"connection {connection.name}"
    secret = connection.secret()
    if secret is None:
        return Check(subject, ok=True, sentence="It needs no secret.")
    try:
        secret.read()
    except ConfigurationError as error:
        return Check(subject, ok=False, sentence=str(error))
    return Check(subject, ok=True, sentence="Its secret can be read.")


def check_cache(path: Path) -> Check:
    """Write and read back a byte in the directory of the cache, and look how full its disk is."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"\0")
            file.flush()
        disk = shutil.disk_usage(path)
    except OSError as error:
        sentence = f"{path} cannot be written ({cause(error)}): make it writable, or change [cache] path."
        return Check("cache", ok=False, sentence=sentence)
    room = f"{disk.free / _GB:.1f} GB of {disk.total / _GB:.1f} GB are free on the disk of {path}"
    if disk.free < LEAST_FREE_BYTES:
        return Check("cache", ok=False, sentence=f"Only {room}: make room, or move [cache] path.")
    return Check("cache", ok=True, sentence=f"It can be written; {room}.")


async def check_upstreams(
    settings: Settings, upstreams: Mapping[str, Upstream], connection_names: Mapping[str, str | None]
) -> list[Check]:
    """Ask every upstream at once for the page of the probe.

    Args:
        settings: for the upstreams' URLs and for where secrets are.
        upstreams: to ask, by name.
        connection_names: the connection whose credentials each of them is asked with; None where none matches.
    """
    checks = (
        _check_upstream(settings, upstream, connection_names.get(name))
        for name, upstream in upstreams.items()
    )
    return list(await asyncio.gather(*checks))


async def _check_upstream(settings: Settings, upstream: Upstream, connection: str | None) -> Check:
    subject = f"upstream {upstream.name}"
    url = next((known.url for known in settings.upstreams if known.name == upstream.name), "")
    try:
        await upstream.fetch_page(PROBE)
    except ProjectNotFound:
        pass
    except Rejected as error:
        known = next((known for known in settings.connections if known.name == connection), None)
        if known is not None and not (await asyncio.to_thread(check_secret, known)).ok:
            # The feed was never asked.
            return Check(subject, ok=False, sentence=str(error))
        return Check(subject, ok=False, sentence=_rejection(upstream.name, url, known))
    except (ConfigurationError, WheelkeepError) as error:
        return Check(subject, ok=False, sentence=str(error))
    with_whom = (
        f"the credentials of connection '{connection}' are accepted"
        if connection
        else "it asks for no credentials"
    )
    return Check(subject, ok=True, sentence=f"{url} answers; {with_whom}.")


def _rejection(feed: str, url: str, connection: Connection | None) -> str:
    """Say whose credentials a feed did not accept, and where the new ones go."""
    if connection is None:
        return (
            f"The feed '{feed}' at {url} asks for credentials and no connection matches it:"
            " add a [[connections]] whose target is the beginning of that URL."
        )
    if connection.auth_type == "None":
        return (
            f"The feed '{feed}' at {url} asks for credentials and connection '{connection.name}' has none:"
            " give it an auth_type and a secret."
        )
    return (
        f"The feed '{feed}' at {url} does not accept the credentials of connection '{connection.name}':"
        f" put a valid one into {place(connection)}, and see that it may read this feed."
    )


def place(connection: Connection) -> str:
    """Name where a connection's secret stands, for somebody who has to renew it."""
    if connection.secret_file is not None:
        return str(connection.secret_file)
    if connection.secret_env is not None:
        return f"the environment variable {connection.secret_env}"
    return connection.name


async def _check_house(settings: Settings) -> list[Check]:
    # Imported here, so that a wrong configuration is told without loading the client.
    from mirror import wiring  # noqa: PLC0415

    used = {source for index in settings.indexes if index.mode != "offline" for source in index.sources}
    try:
        async with wiring.open_house(settings, version=__version__) as house:
            upstreams = {name: upstream for name, upstream in house.upstreams.items() if name in used}
            asked = asyncio.create_task(check_upstreams(settings, upstreams, house.connection_names))
            return [await check_store(settings, house.store), *await asked]
    except StoreError as error:
        return [Check("store", ok=False, sentence=str(error))]
    except (ConfigurationError, WheelkeepError) as error:
        return [Check("start", ok=False, sentence=str(error))]


async def check_store(settings: Settings, store: Store) -> Check:
    """Let the store write, read and delete a record."""
    try:
        await store.check()
    except WheelkeepError as error:
        return Check(
            "store",
            ok=False,
            sentence=f"{settings.store.url} cannot be written: {uncapitalised(str(error))}.",
        )
    return Check("store", ok=True, sentence=f"{settings.store.url} can be written.")
