"""The tables of RFC 9110 sections 13 and 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import caching
from proxy.caching import Asked, Selected, Span, Verdict

TAG = '"abc"'
THEN = 784_111_777
THAT_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
THE_FILE = Selected(etag=TAG, size=100, modified=THEN)


@pytest.mark.parametrize(
    ("field", "verdict"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-99", Span(0, 100)),
        ("bytes=10-19", Span(10, 20)),
        ("bytes=10-1000", Span(10, 100)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=0-", Span(0, 100)),
        ("bytes=-1", Span(99, 100)),
        ("bytes=-100", Span(0, 100)),
        ("bytes=-1000", Span(0, 100)),
        (f"bytes=-{'9' * 5000}", Span(0, 100)),
        (f"bytes=0-{'9' * 5000}", Span(0, 100)),
        ("BYTES=5-6", Span(5, 7)),
        (" bytes=5-6 ", Span(5, 7)),
        ("bytes=0005-0006", Span(5, 7)),
        ("bytes=100-", Verdict.UNSATISFIABLE),
        ("bytes=100-200", Verdict.UNSATISFIABLE),
        (f"bytes={'9' * 5000}-", Verdict.UNSATISFIABLE),
        ("bytes=-0", Verdict.UNSATISFIABLE),
        ("bytes=20-10", Verdict.WHOLE),
        ("bytes=0-1,5-6", Verdict.WHOLE),
        ("bytes=-", Verdict.WHOLE),
        ("bytes=", Verdict.WHOLE),
        ("bytes=a-b", Verdict.WHOLE),
        ("bytes=1 - 2", Verdict.WHOLE),
        ("bytes=+1-2", Verdict.WHOLE),
        ("bytes=٣-٤", Verdict.WHOLE),
        ("items=0-1", Verdict.WHOLE),
        ("0-1", Verdict.WHOLE),
        ("", Verdict.WHOLE),
    ],
)
def test_a_range_is_read_as_the_rfc_says(field: str, verdict: Verdict | Span) -> None:
    """Every form of a Range field gets its part, its 416, or is ignored."""
    assert caching.span(field, 100) == verdict


@pytest.mark.parametrize("field", ["bytes=0-", "bytes=0-0", "bytes=1-"])
def test_no_byte_of_an_empty_file_can_be_asked_for(field: str) -> None:
    """A range with a first position is unsatisfiable in an empty file."""
    assert caching.span(field, 0) is Verdict.UNSATISFIABLE


def test_the_end_of_an_empty_file_is_all_of_it() -> None:
    """A suffix of an empty file is the whole: no Content-Range can speak of nothing."""
    assert caching.span("bytes=-5", 0) is Verdict.WHOLE


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 200))
def test_a_range_gives_the_bytes_that_it_names(first: int, last: int, size: int) -> None:
    """A satisfiable range is just the named bytes that exist, and no other is ever given."""
    data = bytes(at % 251 for at in range(size))
    named = data[first : last + 1]
    verdict = caching.span(f"bytes={first}-{last}", size)
    if last < first:
        assert verdict is Verdict.WHOLE
    elif not named:
        assert verdict is Verdict.UNSATISFIABLE
    else:
        assert isinstance(verdict, Span)
        assert data[verdict.start : verdict.stop] == named


@given(st.text(max_size=40), st.integers(0, 10_000))
def test_no_range_field_breaks_anything(text: str, size: int) -> None:
    """Whatever a client writes, the answer is a verdict, and a part lies inside of the file."""
    for field in (text, f"bytes={text}"):
        verdict = caching.span(field, size)
        if isinstance(verdict, Span):
            assert 0 <= verdict.start < verdict.stop <= size


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (Asked(), Verdict.WHOLE),
        (Asked(if_none_match=TAG), Verdict.NOT_MODIFIED),
        (Asked(if_none_match='W/"abc"'), Verdict.NOT_MODIFIED),
        (Asked(if_none_match='"x", "abc"'), Verdict.NOT_MODIFIED),
        (Asked(if_none_match='"x","y"'), Verdict.WHOLE),
        (Asked(if_none_match="*"), Verdict.NOT_MODIFIED),
        (Asked(if_none_match=""), Verdict.WHOLE),
        (Asked(if_none_match='"ab'), Verdict.WHOLE),
        (Asked(if_match=TAG), Verdict.WHOLE),
        (Asked(if_match='W/"abc"'), Verdict.FAILED),
        (Asked(if_match='"x"'), Verdict.FAILED),
        (Asked(if_match="*"), Verdict.WHOLE),
        (Asked(if_modified_since=THAT_DATE), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since=AFTER), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since=BEFORE), Verdict.WHOLE),
        (Asked(if_modified_since="Sunday, 06-Nov-94 08:49:37 GMT"), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since="Sun Nov  6 08:49:37 1994"), Verdict.NOT_MODIFIED),
        (Asked(if_modified_since="yesterday"), Verdict.WHOLE),
        (Asked(if_unmodified_since=THAT_DATE), Verdict.WHOLE),
        (Asked(if_unmodified_since=BEFORE), Verdict.FAILED),
        (Asked(if_unmodified_since="yesterday"), Verdict.WHOLE),
        # The tag is asked alone where both came: section 13.2.2.
        (Asked(if_none_match='"x"', if_modified_since=AFTER), Verdict.WHOLE),
        (Asked(if_match=TAG, if_unmodified_since=BEFORE), Verdict.WHOLE),
        (Asked(if_match=TAG, if_none_match=TAG), Verdict.NOT_MODIFIED),
        (Asked(if_match='"x"', if_none_match=TAG), Verdict.FAILED),
        # A condition is decided before a range.
        (Asked(if_none_match=TAG, range="bytes=0-1"), Verdict.NOT_MODIFIED),
        (Asked(if_none_match='"x"', range="bytes=0-1"), Span(0, 2)),
        (Asked(range="bytes=0-1"), Span(0, 2)),
        (Asked(range="bytes=100-"), Verdict.UNSATISFIABLE),
        # If-Range: the very same, strongly, or the whole.
        (Asked(range="bytes=5-", if_range=TAG), Span(5, 100)),
        (Asked(range="bytes=5-", if_range='W/"abc"'), Verdict.WHOLE),
        (Asked(range="bytes=5-", if_range='"abcd"'), Verdict.WHOLE),
        (Asked(range="bytes=5-", if_range="abc"), Verdict.WHOLE),
        (Asked(range="bytes=5-", if_range=THAT_DATE), Span(5, 100)),
        (Asked(range="bytes=5-", if_range=BEFORE), Verdict.WHOLE),
        (Asked(range="bytes=5-", if_range=AFTER), Verdict.WHOLE),
        (Asked(range="bytes=5-", if_range=""), Verdict.WHOLE),
        (Asked(range="bytes=500-", if_range='"x"'), Verdict.WHOLE),
        (Asked(if_range=TAG), Verdict.WHOLE),
    ],
)
def test_conditions_are_decided_as_the_rfc_says(asked: Asked, verdict: Verdict | Span) -> None:
    """Each condition, alone and with others, has the outcome of RFC 9110 sections 13.1 and 13.2.2."""
    assert caching.decide(asked, THE_FILE) == verdict


def test_a_head_knows_no_range() -> None:
    """A Range on a HEAD is ignored, since it is defined for GET alone."""
    assert caching.decide(Asked(range="bytes=500-"), THE_FILE, head=True) is Verdict.WHOLE


def test_what_has_no_date_is_not_judged_by_one() -> None:
    """Date conditions are ignored where there is no Last-Modified, and If-Range by date means the whole."""
    undated = Selected(etag=TAG, size=100)
    assert caching.decide(Asked(if_modified_since=AFTER), undated) is Verdict.WHOLE
    assert caching.decide(Asked(if_unmodified_since=BEFORE), undated) is Verdict.WHOLE
    assert caching.decide(Asked(range="bytes=0-1", if_range=THAT_DATE), undated) is Verdict.WHOLE


@given(st.text(max_size=60))
def test_no_validator_breaks_anything(text: str) -> None:
    """Whatever stands in a condition, it is decided."""
    asked = Asked(
        if_match=text,
        if_none_match=text,
        if_modified_since=text,
        if_unmodified_since=text,
        if_range=text,
        range="bytes=0-",
    )
    assert caching.decide(asked, THE_FILE) is not None
    assert caching.decide(Asked(if_modified_since=text), THE_FILE) in {Verdict.WHOLE, Verdict.NOT_MODIFIED}
