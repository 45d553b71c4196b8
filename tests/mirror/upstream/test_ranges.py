"""A part of a file is taken only when it is the part that was asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import Invalid
from mirror.upstream.ranges import Extent, is_another_file, part, request_headers, strong_validator, whole


@pytest.mark.parametrize(
    ("start", "stop", "validator", "expected"),
    [
        (0, None, None, {}),
        (0, None, '"a"', {}),
        (10, None, None, {"Range": "bytes=10-"}),
        (0, 1, None, {"Range": "bytes=0-0"}),
        (10, 20, '"a"', {"Range": "bytes=10-19", "If-Range": '"a"'}),
    ],
)
def test_a_range_is_asked_for_inclusively(
    start: int, stop: int | None, validator: str | None, expected: dict[str, str]
) -> None:
    """[start, stop) becomes the inclusive form, with If-Range only beside a Range."""
    assert request_headers(start, stop, validator) == expected


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (5, 5), (5, 4)])
def test_an_empty_range_is_a_mistake(start: int, stop: int) -> None:
    """A range without a byte in it is not sent as another one."""
    with pytest.raises(ValueError, match="no range"):
        request_headers(start, stop, None)


@pytest.mark.parametrize(
    ("content_range", "length", "start", "stop"),
    [
        ("bytes 10-19/100", "10", 10, 20),
        ("bytes 10-19/100", None, 10, 20),
        ("bytes 10-99/100", "90", 10, None),
        ("bytes 10-99/100", "90", 10, 500),
        ("bytes 10-19/*", "10", 10, 20),
        ("bytes 10-19/*", "10", 10, None),
    ],
)
def test_the_part_that_was_asked_for_is_taken(
    content_range: str, length: str | None, start: int, stop: int | None
) -> None:
    """A Content-Range that begins and ends where it should is believed; the end of the file ends it too."""
    headers = {"Content-Range": content_range} | ({} if length is None else {"Content-Length": length})
    extent = part(headers, start, stop)
    total = None if content_range.endswith("*") else 100
    assert (extent.start, extent.total) == (10, total)
    assert extent.length in {10, 90}


@pytest.mark.parametrize(
    ("headers", "start", "stop"),
    [
        ({}, 10, 20),
        ({"Content-Range": "bytes 0-9/100"}, 10, 20),
        ({"Content-Range": "bytes 11-20/100"}, 10, 21),
        ({"Content-Range": "bytes 10-18/100"}, 10, 20),
        ({"Content-Range": "bytes 10-20/100"}, 10, 20),
        ({"Content-Range": "bytes 10-50/100"}, 10, None),
        ({"Content-Range": "bytes 10-18/*"}, 10, 20),
        ({"Content-Range": "bytes */100"}, 10, 20),
        ({"Content-Range": "bytes 10-19/15"}, 10, 20),
        ({"Content-Range": "items 10-19/100"}, 10, 20),
        ({"Content-Range": "bytes 19-10/100"}, 10, 20),
        ({"Content-Range": "nonsense"}, 10, 20),
        ({"Content-Range": "bytes 10-19/100", "Content-Length": "11"}, 10, 20),
        ({"Content-Range": "bytes 10-19/100", "Content-Type": "multipart/byteranges; boundary=x"}, 10, 20),
    ],
)
def test_any_other_part_is_refused(headers: dict[str, str], start: int, stop: int | None) -> None:
    """A wrong start, a wrong end, several parts and contradictions are not glued to anything."""
    with pytest.raises(Invalid):
        part(headers, start, stop)


@given(st.integers(0, 50), st.integers(1, 60), st.integers(0, 60), st.integers(0, 60), st.integers(1, 60))
def test_what_is_taken_is_what_was_asked_for(
    start: int, size: int, first: int, last: int, total: int
) -> None:
    """Whatever a server answers, an accepted part begins at the start and ends at the stop or the end of the file."""
    stop = start + size
    try:
        extent = part({"Content-Range": f"bytes {first}-{last}/{total}"}, start, stop)
    except Invalid:
        return
    assert extent.start == start
    assert extent.length is not None
    assert extent.start + extent.length == min(stop, total)


def test_a_whole_file_says_its_length() -> None:
    """A 200 answer begins at 0, its total is its length where that is told, and it may say that there are ranges."""
    assert whole({"Content-Length": "7", "ETag": '"x"'}) == Extent(0, 7, 7, '"x"', ranges=False)
    assert whole({}) == Extent(0, None, None, None, ranges=False)
    assert whole({"Accept-Ranges": "bytes"}).ranges
    assert not whole({"Accept-Ranges": "none"}).ranges


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ETag": '"x"', "Last-Modified": "then"}, '"x"'),
        ({"ETag": 'W/"x"', "Last-Modified": "then"}, "then"),
        ({"ETag": 'W/"x"'}, None),
        ({"ETag": '"\udce9"', "Last-Modified": "then"}, "then"),
        ({}, None),
    ],
)
def test_only_a_strong_validator_is_used(headers: dict[str, str], expected: str | None) -> None:
    """If-Range takes no weak ETag (RFC 9110 section 13.1.5), and nothing that cannot be sent back."""
    assert strong_validator(headers) == expected


@pytest.mark.parametrize(
    ("headers", "validator", "expected"),
    [
        ({"ETag": '"a"'}, '"a"', False),
        ({"ETag": '"b"'}, '"a"', True),
        ({"ETag": '"b"'}, None, False),
        ({}, '"a"', False),
        ({"ETag": '"b"', "Last-Modified": "then"}, "then", False),
        ({"Last-Modified": "later"}, "then", True),
    ],
)
def test_an_ignored_if_range_is_noticed(
    headers: dict[str, str], validator: str | None, *, expected: bool
) -> None:
    """A part of another file than the one that was begun is recognised by its validator."""
    assert is_another_file(headers, validator) is expected
