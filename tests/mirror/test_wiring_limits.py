"""Every limit of the settings reaches the place that keeps it."""

from dataclasses import asdict
from pathlib import Path

import pytest

from config.settings import Cache, Limits, Server, Settings, Store
from mirror.errors import Throttled
from mirror.fetch import FileService
from mirror.upstream.client import UpstreamClient
from mirror.wiring import House, open_house
from tests.mirror.test_wiring import LARGE, SMALL, filled, listed, located, read, settings
from tests.simulator import Gate, Simulator, faults

OF_THE_FACE = {"write_seconds", "requests", "connections"}
"""Limits that concern clients: see `tests/wheelkeep/test_limits.py`."""


def _files(house: House) -> FileService:
    assert isinstance(house.files, FileService)
    return house.files


async def test_each_limit_arrives(tmp_path: Path) -> None:
    """When all limits have values that nothing else has, each but those that concern clients is found where it is kept."""
    values = {name: 1001 + number for number, name in enumerate(Limits.model_fields)}
    async with Simulator() as feed:
        configured = settings(tmp_path, listed(feed, "feed"), limits=Limits.model_validate(values))
        async with open_house(configured, version="1") as house:
            client = house.upstreams["feed"]
            assert isinstance(client, UpstreamClient)
            assert client._slots._within
            files = asdict(_files(house)._limits)
            kept = {
                client._slots._within._all._value,
                *asdict(client._exchange._limits).values(),
                *files.pop("division").values(),
                *files.values(),
            }
    assert {name for name, value in values.items() if value not in kept} == OF_THE_FACE


@pytest.mark.parametrize("memory_bytes", ["6789B", "0B"])
async def test_bounds_of_the_cache_arrive(tmp_path: Path, memory_bytes: str) -> None:
    """`max_bytes` and `memory_bytes` are those of the cache; of the latter there may be none."""
    cache = Cache.model_validate(
        {"path": tmp_path / "cache", "max_bytes": 12_345, "memory_bytes": memory_bytes}
    )
    configured = Settings(store=Store(url=f"file:{tmp_path}/store"), cache=cache)
    async with open_house(configured, version="1") as house:
        held = _files(house)._cache
        assert (held._shelf._max_bytes, held._memory._files.maxsize) == (12_345, int(memory_bytes[:-1]))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("workers", "connections", "share"), [(1, 16, 16), (3, 16, 5), (8, 4, 1)])
async def test_workers_share_what_an_upstream_may_be_asked(
    tmp_path: Path, workers: int, connections: int, share: int
) -> None:
    """With several workers each has an equal part of `upstream_connections`, and one at least."""
    async with Simulator() as feed:
        configured = settings(
            tmp_path,
            listed(feed, "feed"),
            server=Server(workers=workers),
            limits=Limits(upstream_connections=connections, all_upstream_connections=3 * workers * share),
        )
        async with open_house(configured, version="1") as house:
            client = house.upstreams["feed"]
            assert isinstance(client, UpstreamClient)
            assert client._exchange._limits.connections == share
            assert client._slots._within
            assert [each._all._value for each in (client._slots, client._slots._within)] == [share, 3 * share]


async def test_so_many_files_are_under_way(tmp_path: Path) -> None:
    """With `flights` under way one more is refused for a moment, and then it comes."""
    gate = Gate()
    async with Simulator() as feed:
        filled(feed, SMALL, LARGE)
        feed.misbehave(faults.hold(gate, 1000), f"*/{LARGE.filename}", times=1)
        configured = settings(tmp_path, listed(feed, "feed"), limits=Limits(flights=1))
        async with open_house(configured, version="1") as house:
            first = await house.files.obtain(await located(house, LARGE))
            with pytest.raises(Throttled):
                await house.files.obtain(await located(house, SMALL))
            gate.open()
            assert await read(first) == LARGE.data
            await _files(house)._flights.aclose(60)
            assert await read(await house.files.obtain(await located(house, SMALL))) == SMALL.data
