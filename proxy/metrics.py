"""What is counted, and how Prometheus reads it: an observer of `mirror.events` on a registry of its own.

Label values come from the configuration and from closed lists, never from a client: no project, no path, no address.

Several workers count in files of one folder, and each of them shows what all have counted. A worker's files bear its number,
not its process: the one that replaces it counts on.
"""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    values,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from mirror.events import (
    Event,
    FileLooked,
    FlightEnded,
    FlightStarted,
    LearningFailed,
    PageLooked,
    UpstreamCalled,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, that nobody asks for

_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_UPSTREAM_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
PULSE_SECONDS = 1.0
"""How old another worker's requests under way may be."""
_DEGRADING = frozenset({"unreachable", "rejected", "throttled"})


@dataclass(frozen=True, slots=True)
class Shared:
    """A folder in which the processes of one server count together.

    Attributes:
        folder: private to them, and empty when the first of them starts.
    """

    folder: Path

    def enter(self, number: int) -> None:
        """Say that this process is the worker of this number from now on; 0 is their supervisor."""
        self._process(number).write_text(str(os.getpid()), encoding="ascii")

    def leave(self, number: int) -> None:
        """Forget of a dead worker what was true only while it lived; what it has counted stays."""
        self._process(number).unlink(missing_ok=True)
        mark_process_dead(number, os.fspath(self.folder))  # type: ignore[no-untyped-call]

    def processes(self) -> dict[str, int]:
        """Give the process of each number."""
        found: dict[str, int] = {}
        for path in sorted(self.folder.glob("*.pid")):
            with suppress(OSError, ValueError):  # it is gone, or about to be written
                found[path.stem] = int(path.read_text(encoding="ascii"))
        return found

    def _process(self, number: int) -> Path:
        return self.folder / f"{number}.pid"


class _Processes(Collector):
    """The figures of each process, with its number for a label: a sum would fall when one of them is replaced."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def collect(self) -> Iterator[Metric]:
        """Read /proc for each of them."""
        families: dict[str, Metric] = {}
        for number, process in self._shared.processes().items():
            for family in ProcessCollector(pid=partial(int, process), registry=None).collect():
                whole = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    whole.add_sample(sample.name, {**sample.labels, "worker": number}, sample.value)
        yield from families.values()


class Metrics:
    """The counters of one process, or of one worker among several. `observe` is a `mirror.events.Observer`.

    Args:
        version: of wheelkeep.
        shared: where the workers of one server count together; None: this process is alone.
        number: of this worker.
    """

    def __init__(self, version: str = "", *, shared: Shared | None = None, number: int = 0) -> None:
        registry = shown = CollectorRegistry()
        if shared is None:
            ProcessCollector(registry=shown)
        else:
            _count_in(shared, number)
            shown = CollectorRegistry()
            MultiProcessCollector(shown, os.fspath(shared.folder))  # type: ignore[no-untyped-call]
            shown.register(_Processes(shared))
        self._shown = shown
        self._read_requests: Callable[[], int] | None = None if shared is None else lambda: 0
        Info("wheelkeep_build", "What runs here.", registry=shown).info(
            {
                "version": version,
                "python": platform.python_version(),
            }
        )
        self._requests = Counter(
            "wheelkeep_requests", "Requests that ended.", ("view", "method", "status"), registry=registry
        )
        self._request_seconds = Histogram(
            "wheelkeep_request_seconds",
            "From a request's headers to the last byte of its answer.",
            ("view",),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self._sent = Counter(
            "wheelkeep_sent_bytes", "Bytes of bodies sent to clients.", ("view",), registry=registry
        )
        self._kinds: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}
        self._in_flight = Gauge(
            "wheelkeep_requests_in_flight",
            "Requests under way.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._pages = Counter(
            "wheelkeep_pages", "Project pages and lists looked up.", ("source", "outcome"), registry=registry
        )
        self._files = Counter(
            "wheelkeep_files", "Files and metadata looked up.", ("source", "outcome"), registry=registry
        )
        self._calls = Counter(
            "wheelkeep_upstream_calls",
            "Exchanges with upstreams.",
            ("upstream", "kind", "outcome"),
            registry=registry,
        )
        self._call_seconds = Histogram(
            "wheelkeep_upstream_seconds",
            "Length of an exchange with an upstream, its body included.",
            ("upstream", "kind"),
            buckets=_UPSTREAM_SECONDS,
            registry=registry,
        )
        self._received = Counter(
            "wheelkeep_upstream_received_bytes",
            "Bytes of bodies from upstreams.",
            ("upstream",),
            registry=registry,
        )
        self._degraded = Gauge(
            "wheelkeep_upstream_degraded",
            "1 while the last exchange with an upstream failed.",
            ("upstream",),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._looked: dict[tuple[Counter, str, str], Counter] = {}
        self._flights = Gauge(
            "wheelkeep_flights_in_progress",
            "Downloads under way.",
            ("source",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._flights_ended = Counter(
            "wheelkeep_flights", "Downloads that ended.", ("source", "outcome"), registry=registry
        )
        self._unlearned = Counter(
            "wheelkeep_learning_failures",
            "Times that what a held file taught could not be written down.",
            ("source",),
            registry=registry,
        )

    def observe(self, event: Event) -> None:
        """Count one fact that `mirror` told."""
        match event:
            case PageLooked():
                self._look(self._pages, event.source, event.outcome).inc()
            case FileLooked():
                self._look(self._files, event.source, event.outcome).inc()
            case UpstreamCalled():
                self._calls.labels(event.upstream, event.kind, event.outcome).inc()
                self._call_seconds.labels(event.upstream, event.kind).observe(event.seconds)
                self._received.labels(event.upstream).inc(event.received)
                self._degraded.labels(event.upstream).set(event.outcome in _DEGRADING)
            case FlightStarted():
                self._flights.labels(event.source).inc()
            case FlightEnded():
                self._flights.labels(event.source).dec()
                self._flights_ended.labels(event.source, event.outcome).inc()
            case LearningFailed():
                self._unlearned.labels(event.source).inc()

    def _look(self, kind: Counter, source: str, outcome: str) -> Counter:
        """Give the figure of a kind of look-up; every request makes one or more, and finding it by label is slow."""
        figure = self._looked.get((kind, source, outcome))
        if figure is None:
            figure = self._looked[kind, source, outcome] = kind.labels(source, outcome)
        return figure

    def request_ended(self, view: str, method: str, status: int, seconds: float, sent: int) -> None:
        """Count one request; `sent` is in bytes of its body."""
        requests, lengths, bodies = self._counted(view, method if method in _METHODS else "other", status)
        requests.inc()
        lengths.observe(seconds)
        bodies.inc(sent)

    def _counted(self, view: str, method: str, status: int) -> tuple[Counter, Histogram, Counter]:
        """Give the figures of a kind of request; every request needs them, and finding them by label is slow."""
        kind = (view, method, status)
        figures = self._kinds.get(kind)
        if figures is None:
            figures = self._kinds[kind] = (
                self._requests.labels(view, method, str(status)),
                self._request_seconds.labels(view),
                self._sent.labels(view),
            )
        return figures

    def watch_requests(self, under_way: Callable[[], int]) -> None:
        """Read the number of requests under way from `under_way` whenever Prometheus asks, or `pulse` beats."""
        if self._read_requests is None:
            self._in_flight.set_function(under_way)
        else:
            self._read_requests = under_way

    async def pulse(self) -> None:
        """Show the other workers once a second, until cancelled, what is read here and not counted."""
        while self._read_requests is not None:
            self._in_flight.set(self._read_requests())
            await asyncio.sleep(PULSE_SECONDS)

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Write all of it in the format that an Accept header prefers: content type and body. It reads files."""
        if self._read_requests is not None:
            self._in_flight.set(self._read_requests())
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._shown)


def _count_in(shared: Shared, number: int) -> None:
    """Let every figure that is made from now on be kept in files, under this worker's number."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.fspath(shared.folder)
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    shared.enter(number)
