"""What is counted, and how Prometheus reads it: an observer of `mirror.events` on a registry of its own.

Label values come from the configuration and from closed lists, never from a client: no project, no path, no address.
"""

import platform
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

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
_DEGRADING = frozenset({"unreachable", "rejected", "throttled"})


class Metrics:
    """The counters of one process. `observe` is a `mirror.events.Observer`."""

    def __init__(self, version: str = "") -> None:
        registry = CollectorRegistry()
        self._registry = registry
        ProcessCollector(registry=registry)
        Info("wheelkeep_build", "What runs here.", registry=registry).info(
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
        self._in_flight = Gauge("wheelkeep_requests_in_flight", "Requests under way.", registry=registry)
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
        )
        self._looked: dict[tuple[Counter, str, str], Counter] = {}
        self._flights = Gauge(
            "wheelkeep_flights_in_progress", "Downloads under way.", ("source",), registry=registry
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
        """Read the number of requests under way from `under_way` whenever Prometheus asks."""
        self._in_flight.set_function(under_way)

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Write all of it in the format that an Accept header prefers: content type and body. It reads /proc."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)
