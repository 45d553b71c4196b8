"""Where the house opens to the outside: protocols only. Services are written against these, adapters fulfil them."""

from collections.abc import Callable

from mirror.ports.files import Arriving, FileCache, Files, Stretch
from mirror.ports.index import Index, Source
from mirror.ports.store import BlobInfo, BlobReader, Ledger, Store
from mirror.ports.upstream import Body, FetchedList, FetchedPage, Upstream, Validators

__all__ = [
    "Arriving",
    "BlobInfo",
    "BlobReader",
    "Body",
    "Clock",
    "FetchedList",
    "FetchedPage",
    "FileCache",
    "Files",
    "Index",
    "Ledger",
    "Source",
    "Store",
    "Stretch",
    "Upstream",
    "Validators",
]

Clock = Callable[[], float]
"""Unix seconds, as `time.time` gives them; handed in so that tests own the time."""
