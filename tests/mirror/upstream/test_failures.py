"""What went wrong is said in one sentence that a person can act on, and holds no secret."""

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from mirror.errors import Rejected, Throttled, Unreachable
from mirror.upstream.failures import Asked, Passing, for_status, retry_after
from tests.mirror.upstream.conftest import NOON

FEED = Asked("feed", URL("https://feeds.example.com/org/simple/?sig=hidden"), "feed-pat")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", 1),
        ("7", 7),
        (" 7 ", 7),
        ("60", 60),
        ("61", 60),
        ("9" * 5000, 60),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 1),
        ("Wed, 14 Nov 2029 22:13:30 GMT", 60),
        ("Tue, 99 Nov 2023 22:13:30 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_whole_seconds_within_a_minute(value: str | None, seconds: int | None) -> None:
    """Seconds and dates become whole seconds from 1 to 60; nonsense is nothing."""
    assert retry_after(value, NOON) == seconds


@pytest.mark.parametrize(
    ("status", "leaf"),
    [
        (401, Rejected),
        (403, Rejected),
        (203, Rejected),
        (429, Throttled),
        (204, Unreachable),
        (206, Unreachable),
        (302, Unreachable),
        (304, Unreachable),
        (400, Unreachable),
        (405, Unreachable),
        (418, Unreachable),
        (500, Unreachable),
    ],
)
def test_each_status_is_one_leaf(status: int, leaf: type[Exception]) -> None:
    """A status that is no answer becomes the leaf that says what it means, and names upstream and host."""
    error = for_status(FEED, status, {}, NOON)
    assert type(error) is leaf
    assert "'feed' at feeds.example.com" in str(error)
    assert "hidden" not in str(error)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_error_may_be_passing(status: int) -> None:
    """502, 503 and 504 are worth another try at once, unless the upstream says when to come back."""
    assert isinstance(for_status(FEED, status, {}, NOON), Passing)
    lasting = for_status(FEED, status, {"Retry-After": "30"}, NOON)
    assert isinstance(lasting, Unreachable)
    assert lasting.retry_after == 30


def test_rejected_names_the_connection_or_its_absence() -> None:
    """With a connection it is named and to be renewed; without one it says that none matches, and for which URL."""
    assert "connection 'feed-pat'" in str(for_status(FEED, 401, {}, NOON))
    none = str(for_status(Asked("feed", FEED.url), 401, {}, NOON))
    assert "no connection matches https://feeds.example.com/org/simple/" in none
    assert "hidden" not in none


def test_a_refused_link_elsewhere_does_not_blame_the_connection() -> None:
    """403 from the host of a signed link is a failure, not a sign of bad credentials: none were sent there."""
    error = for_status(
        Asked("feed", URL("https://blobs.example.com/x"), "feed-pat", away=True), 403, {}, NOON
    )
    assert isinstance(error, Unreachable)
    assert "feed-pat" not in str(error)


def test_a_cause_that_quotes_our_request_is_not_kept() -> None:
    """The error of aiohttp about a malformed answer carries the headers of the request: it is not chained."""
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": "Basic hidden"}))
    info = aiohttp.RequestInfo(FEED.url, "GET", headers, FEED.url)
    failure = FEED.broken(aiohttp.ClientResponseError(info, (), status=400, message="bad"))
    assert failure.__cause__ is None
    assert failure.__suppress_context__
    assert "is not HTTP" in str(failure)


def test_a_cause_that_quotes_a_signed_url_is_not_kept() -> None:
    """A timeout that names the URL with its signature is not chained; one that does not, is."""
    assert (
        FEED.broken(aiohttp.ConnectionTimeoutError(f"Connection timeout to host {FEED.url}")).__cause__
        is None
    )
    harmless = aiohttp.ServerDisconnectedError()
    assert FEED.broken(harmless).__cause__ is harmless
