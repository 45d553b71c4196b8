"""What is counted, under which names."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from mirror.events import FileLooked, FlightEnded, FlightStarted, LearningFailed, PageLooked, UpstreamCalled
from proxy.metrics import Metrics, Shared

Outcome = Literal["ok", "unmodified", "not_found", "unreachable", "rejected", "throttled"]


def figures(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read the exposition as Prometheus does."""
    _, body = metrics.exposition("")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def figure(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Read one sample; None when there is none."""
    return figures(metrics).get((name, frozenset(labels.items())))


def test_every_event_is_counted() -> None:
    """Each fact that the product tells moves the counter that is named for it."""
    metrics = Metrics()
    metrics.observe(PageLooked("feed", "stale"))
    metrics.observe(FileLooked("feed", "joined"))
    metrics.observe(FileLooked("feed", "joined"))
    metrics.observe(UpstreamCalled("feed", "page", "ok", 0.5, 1000))
    metrics.observe(FlightStarted("feed"))
    metrics.observe(FlightStarted("feed"))
    metrics.observe(FlightEnded("feed", "committed", 10, 0.1))
    metrics.observe(LearningFailed("feed", "The store failed."))
    assert figure(metrics, "wheelkeep_learning_failures_total", source="feed") == 1
    assert figure(metrics, "wheelkeep_pages_total", source="feed", outcome="stale") == 1
    assert figure(metrics, "wheelkeep_files_total", source="feed", outcome="joined") == 2
    assert figure(metrics, "wheelkeep_upstream_calls_total", upstream="feed", kind="page", outcome="ok") == 1
    assert figure(metrics, "wheelkeep_upstream_seconds_sum", upstream="feed", kind="page") == 0.5
    assert figure(metrics, "wheelkeep_upstream_received_bytes_total", upstream="feed") == 1000
    assert figure(metrics, "wheelkeep_flights_in_progress", source="feed") == 1
    assert figure(metrics, "wheelkeep_flights_total", source="feed", outcome="committed") == 1


@pytest.mark.parametrize(
    ("outcome", "degraded"),
    [("unreachable", 1), ("rejected", 1), ("throttled", 1), ("ok", 0), ("not_found", 0), ("unmodified", 0)],
)
def test_an_upstream_is_degraded_until_it_answers(outcome: Outcome, degraded: int) -> None:
    """The gauge follows the last exchange: a miss is an answer, a failure is not."""
    metrics = Metrics()
    other: Outcome = "ok" if degraded else "unreachable"
    metrics.observe(UpstreamCalled("feed", "page", other, 0.1, 0))
    metrics.observe(UpstreamCalled("feed", "page", outcome, 0.1, 0))
    assert figure(metrics, "wheelkeep_upstream_degraded", upstream="feed") == degraded


def test_a_request_is_counted_with_its_bytes() -> None:
    """A request is counted by view, method and status, with its time and the bytes of its body."""
    metrics = Metrics()
    metrics.request_ended("file", "GET", 206, 0.25, 4096)
    assert figure(metrics, "wheelkeep_requests_total", view="file", method="GET", status="206") == 1
    assert figure(metrics, "wheelkeep_request_seconds_sum", view="file") == 0.25
    assert figure(metrics, "wheelkeep_sent_bytes_total", view="file") == 4096


def test_no_client_can_make_labels() -> None:
    """Methods that a client invents are one label value, so that nobody fills the memory with them."""
    metrics = Metrics()
    for number in range(50):
        metrics.request_ended("none", f"BREW{number}", 405, 0.1, 0)
    methods = {
        dict(labels)["method"] for name, labels in figures(metrics) if name == "wheelkeep_requests_total"
    }
    assert methods == {"other"}


def test_requests_under_way_are_read_when_asked() -> None:
    """The gauge of requests under way says what is so at that moment."""
    metrics = Metrics()
    under_way = [3]
    metrics.watch_requests(lambda: under_way[0])
    assert figure(metrics, "wheelkeep_requests_in_flight") == 3
    under_way[0] = 1
    assert figure(metrics, "wheelkeep_requests_in_flight") == 1


def test_the_build_is_told() -> None:
    """The version of what runs is a metric."""
    build = [dict(labels) for name, labels in figures(Metrics("9.8.7")) if name == "wheelkeep_build_info"]
    assert [labels["version"] for labels in build] == ["9.8.7"]


def test_two_registries_do_not_meet() -> None:
    """Each Metrics counts for itself."""
    first, second = Metrics(), Metrics()
    first.observe(FlightStarted("feed"))
    assert figure(second, "wheelkeep_flights_in_progress", source="feed") is None


def test_the_format_is_negotiated() -> None:
    """Who asks for OpenMetrics gets it, anybody else the text format."""
    assert (
        Metrics()
        .exposition("application/openmetrics-text; version=1.0.0")[0]
        .startswith("application/openmetrics")
    )
    assert Metrics().exposition("")[0].startswith("text/plain")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    """Give the folder in which workers count together; here they are so one after the other, in this process."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    yield Shared(tmp_path)
    values.close_all_multiprocess_files()  # type: ignore[no-untyped-call]


def worked(shared: Shared, number: int, *, outcome: Outcome = "ok") -> Metrics:
    """Be a worker that has counted one of each, and has a request and a download under way."""
    metrics = Metrics("9.8.7", shared=shared, number=number)
    metrics.watch_requests(lambda: 1)
    metrics.request_ended("file", "GET", 200, 0.25, 4096)
    metrics.observe(UpstreamCalled("feed", "page", outcome, 0.5, 1000))
    metrics.observe(FlightStarted("feed"))
    metrics.exposition("")
    return metrics


def test_workers_count_together(shared: Shared) -> None:
    """Each worker shows the counts, the times and what is under way of all, and the build once."""
    worked(shared, 1)
    second = worked(shared, 2)
    assert figure(second, "wheelkeep_requests_total", view="file", method="GET", status="200") == 2
    assert figure(second, "wheelkeep_request_seconds_count", view="file") == 2
    assert figure(second, "wheelkeep_request_seconds_bucket", view="file", le="0.25") == 2
    assert figure(second, "wheelkeep_flights_in_progress", source="feed") == 2
    assert figure(second, "wheelkeep_requests_in_flight") == 2
    assert [name for name, _ in figures(second)].count("wheelkeep_build_info") == 1


def test_the_last_exchange_of_any_worker_tells_whether_an_upstream_is_degraded(shared: Shared) -> None:
    """An upstream that has answered another worker since it failed one is not degraded."""
    worked(shared, 1, outcome="unreachable")
    assert figure(worked(shared, 2), "wheelkeep_upstream_degraded", upstream="feed") == 0
    assert figure(worked(shared, 3, outcome="rejected"), "wheelkeep_upstream_degraded", upstream="feed") == 1


def test_a_dead_worker_leaves_its_counts(shared: Shared) -> None:
    """Of a worker that died the counts stay and what it had under way goes; the one that replaces it counts on."""
    worked(shared, 1)
    second = worked(shared, 2)
    shared.leave(1)
    assert figure(second, "wheelkeep_flights_in_progress", source="feed") == 1
    assert figure(second, "wheelkeep_requests_total", view="file", method="GET", status="200") == 2
    files = len(list(shared.folder.iterdir()))
    again = worked(shared, 1)
    assert figure(again, "wheelkeep_requests_total", view="file", method="GET", status="200") == 3
    assert len(list(shared.folder.iterdir())) == files + 3


def test_each_process_has_its_own_figures(shared: Shared) -> None:
    """What the kernel says of processes is told for each of them, by its worker's number, and not of the dead."""
    shared.enter(0)
    worked(shared, 1)
    metrics = worked(shared, 2)
    shared.leave(1)
    told = {
        dict(labels)["worker"] for name, labels in figures(metrics) if name == "process_resident_memory_bytes"
    }
    assert told == {"0", "2"}
    assert shared.processes() == {"0": os.getpid(), "2": os.getpid()}


async def test_the_pulse_shows_others_what_is_under_way(shared: Shared) -> None:
    """What a worker reads and does not count is written down for the others while it works."""
    first = await asyncio.to_thread(Metrics, shared=shared, number=1)
    first.watch_requests(lambda: 5)
    pulse = asyncio.create_task(first.pulse())
    await asyncio.sleep(0)
    pulse.cancel()
    second = await asyncio.to_thread(Metrics, shared=shared, number=2)
    figures = (await asyncio.to_thread(second.exposition, ""))[1].decode()
    assert "wheelkeep_requests_in_flight 5.0" in figures.splitlines()
