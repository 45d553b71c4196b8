"""Builds the application from objects. It reads no settings and opens nothing."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from mirror.health import Health
from mirror.ports import Files, Index
from proxy.access import Access, Write, write_structured
from proxy.front import REPEATS, Repeats
from proxy.metrics import Metrics
from proxy.middleware import TRAFFIC, Traffic, mark, watch
from proxy.pages import Pages
from proxy.shedding import Shedding
from proxy.views.files import FileViews
from proxy.views.operations import OperationsViews
from proxy.views.sending import Sender
from proxy.views.simple import SimpleViews

DEFAULT_INDEX = "default"
"""The index at `/simple/`; like every other it is at `/{name}/simple/` as well."""
WRITE_SECONDS = 60.0
MOST_REQUESTS = 1000
PAGES_BYTES = 128 * 1024 * 1024


def build(
    *,
    indexes: Mapping[str, Index],
    files: Files,
    health: Callable[[], Awaitable[Health]],
    metrics: Metrics,
    public_url: str = "",
    write_seconds: float = WRITE_SECONDS,
    most_requests: int = MOST_REQUESTS,
    pages_bytes: int = PAGES_BYTES,
    write_line: Write = write_structured,
) -> web.Application:
    """Build the application.

    Args:
        indexes: by name, which is the first segment of their paths.
        files: has the bytes of what an index locates.
        health: whether clients should come here.
        metrics: counts requests; what `mirror` does it learns by being its observer.
        public_url: where clients see this server, for absolute file links; empty: links are relative.
        write_seconds: how long a client may take none of an answer's bytes before it is cut off.
        most_requests: under way at one time; pages are turned away before files are.
        pages_bytes: of rendered pages that are held in memory.
        write_line: writes the lines of the access log.
    """
    traffic = Traffic()
    metrics.watch_requests(lambda: len(traffic.busy))
    access = Access(metrics, write_line)
    app = web.Application(middlewares=[watch(access, traffic, write_seconds=write_seconds)])
    app[TRAFFIC] = traffic
    app[REPEATS] = Repeats(access, lambda: traffic.draining)
    app.on_response_prepare.append(mark)
    app.add_routes(OperationsViews(health, metrics, traffic).routes())
    pages, sender = Pages(pages_bytes), Sender(write_seconds)
    shedding = Shedding(traffic, most_requests)
    for name, index in indexes.items():
        for prefix in ("", f"/{name}") if name == DEFAULT_INDEX else (f"/{name}",):
            file_base = f"{public_url.rstrip('/')}{prefix}/files/" if public_url else "../../files/"
            simple = SimpleViews(name, index, pages, sender, file_base=file_base)
            app.add_routes(shedding.of_pages(simple.routes(prefix)))
            app.add_routes(shedding.of_files(FileViews(name, index, files, sender).routes(prefix)))
    return app
