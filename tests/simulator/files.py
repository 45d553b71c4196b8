"""The files of a feed, and honest answers about their bytes: validators, conditions and ranges (RFC 9110)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from werkzeug.http import http_date, parse_etags, parse_range_header

from tests.simulator.replies import Reply

Validator = Literal["etag", "date"]

EPOCH = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""Dates of `Last-Modified` begin here; each content has one of its own."""


@dataclass(kw_only=True)
class StoredFile:
    """One distribution file and what the feed says about it; change a field and the next page says it.

    Attributes:
        filename: its name.
        data: its bytes.
        metadata: the sidecar that is served (PEP 658), whatever the page says; None: 404.
        hashes: what the page lists; None: the right sha256.
        requires_python: a version specifier.
        size: in bytes; -1: the right one; None: not told.
        upload_time: as in PEP 700; None: not told.
        yanked: True, or the reason.
        core_metadata: what the page says of the sidecar; None: the truth.
        provenance: a URL (PEP 740).
        url: where the page says the file is, when that is not where it is.
    """

    filename: str
    data: bytes
    metadata: bytes | None = None
    hashes: Mapping[str, str] | None = None
    requires_python: str | None = None
    size: int | None = -1
    upload_time: str | None = "2026-03-01T12:00:00.000000Z"
    yanked: bool | str = False
    core_metadata: bool | Mapping[str, str] | None = None
    provenance: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """Fill in what is to be the truth."""
        if self.hashes is None:
            self.hashes = {"sha256": digest(self.data)}
        if self.size == -1:
            self.size = len(self.data)
        if self.core_metadata is None:
            self.core_metadata = False if self.metadata is None else {"sha256": digest(self.metadata)}

    @property
    def version(self) -> str:
        """Give the version that the file name tells; the name itself when it tells none."""
        try:
            if self.filename.endswith(".whl"):
                return str(parse_wheel_filename(self.filename)[1])
            return str(parse_sdist_filename(self.filename)[1])
        except (InvalidWheelFilename, InvalidSdistFilename):
            return self.filename


def digest(data: bytes) -> str:
    """Give the SHA-256 in hexadecimal."""
    return sha256(data).hexdigest()


def content(
    data: bytes,
    asked: Mapping[str, str],
    *,
    headers: Mapping[str, str],
    ranges: bool = True,
    validators: Collection[Validator] = ("etag", "date"),
) -> Reply:
    """Answer about some bytes: 304 when the client has them, 206 for a range, 416 beyond the end, else 200."""
    sent = {**headers, **_validators(data, validators)}
    if _unmodified(asked, sent):
        return Reply(status=304, headers=sent)
    if not ranges:
        return Reply(headers=sent, body=data)
    sent["Accept-Ranges"] = "bytes"
    wanted = parse_range_header(asked.get("Range"))
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1 or not _same(asked, sent):
        return Reply(headers=sent, body=data)
    first, stop = wanted.ranges[0]
    start = max(0, len(data) + first) if first < 0 else first
    stop = len(data) if stop is None else min(stop, len(data))
    if start >= stop:
        return Reply(status=416, headers={**sent, "Content-Range": f"bytes */{len(data)}"})
    told = f"bytes {start}-{stop - 1}/{len(data)}"
    return Reply(status=206, headers={**sent, "Content-Range": told}, body=data[start:stop], whole=data)


def _validators(data: bytes, wanted: Collection[Validator]) -> dict[str, str]:
    tag = digest(data)[:32]
    every = {"ETag": f'"{tag}"', "Last-Modified": http_date(EPOCH + timedelta(seconds=int(tag[:5], 16)))}
    chosen = {"ETag" if name == "etag" else "Last-Modified" for name in wanted}
    return {name: value for name, value in every.items() if name in chosen}


def _unmodified(asked: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    """Judge `If-None-Match`, and only without it `If-Modified-Since`, by the very date as common servers do."""
    if "If-None-Match" in asked:
        return "ETag" in sent and parse_etags(asked["If-None-Match"]).contains_raw(sent["ETag"])
    return "Last-Modified" in sent and asked.get("If-Modified-Since") == sent["Last-Modified"]


def _same(asked: Mapping[str, str], sent: Mapping[str, str]) -> bool:
    """Judge `If-Range`: the strong tag, or the very date."""
    return "If-Range" not in asked or asked["If-Range"] in {sent.get("ETag"), sent.get("Last-Modified")}
