"""Every failure has an answer, and the answer tells no more than it should."""

from http import HTTPStatus

import msgspec
import pytest

from mirror import errors
from proxy import problems
from proxy.problems import Problem


def leaves(root: type[errors.WheelkeepError]) -> set[type[errors.WheelkeepError]]:
    """Walk the error tree down to what is raised; what a room refines for itself is answered like the leaf it refines."""
    below = [each for each in root.__subclasses__() if each.__module__ == errors.__name__]
    return {root} if not below else set().union(*(leaves(each) for each in below))


def example(leaf: type[errors.WheelkeepError], sentence: str = "It is so.") -> errors.WheelkeepError:
    """Make an error of a leaf."""
    return leaf("feed", sentence) if issubclass(leaf, errors.UpstreamError) else leaf(sentence)


EVERY_LEAF = sorted(leaves(errors.WheelkeepError), key=lambda leaf: leaf.__name__)


def test_the_table_is_total() -> None:
    """Every leaf of the error tree has its own entry, and nothing else has one."""
    assert set(problems.TABLE) == set(EVERY_LEAF)


@pytest.mark.parametrize(
    ("leaf", "status"),
    [
        (errors.ProjectNotFound, 404),
        (errors.FileNotFound, 404),
        (errors.Refused, 403),
        (errors.Conflict, 409),
        (errors.Corrupt, 424),
        (errors.Invalid, 400),
        (errors.Unreachable, 503),
        (errors.Rejected, 503),
        (errors.Throttled, 503),
        (errors.StoreError, 503),
    ],
)
def test_each_leaf_has_the_status_that_clients_understand(
    leaf: type[errors.WheelkeepError], status: int
) -> None:
    """Each kind of failure is answered with the status on which clients do the right thing."""
    problem = problems.of(example(leaf))
    assert problem is not None
    assert problem.status == status
    assert problem.sentence == "It is so."


@pytest.mark.parametrize("leaf", EVERY_LEAF)
def test_only_a_miss_is_a_miss(leaf: type[errors.WheelkeepError]) -> None:
    """Only not-found is 404, and no cache on the way may remember that or any other failure."""
    problem = problems.of(example(leaf))
    assert problem is not None
    missing = issubclass(leaf, errors.NotFound)
    assert (problem.status == HTTPStatus.NOT_FOUND) is missing
    assert problem.headers()["Cache-Control"] == "no-store"
    assert problem.status != HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("leaf", EVERY_LEAF)
def test_what_may_be_tried_again_says_when(leaf: type[errors.WheelkeepError]) -> None:
    """A 503, and nothing else, has a Retry-After, in whole seconds."""
    problem = problems.of(example(leaf))
    assert problem is not None
    retry = problem.headers().get("Retry-After")
    assert (retry is not None) is (problem.status == HTTPStatus.SERVICE_UNAVAILABLE)
    assert retry is None or 1 <= int(retry) <= 60


@pytest.mark.parametrize(("said", "told"), [(7, "7"), (0, "1"), (-5, "1"), (86_400, "60")])
def test_an_upstreams_own_retry_time_is_passed_on_within_bounds(said: int, told: str) -> None:
    """What an upstream asked for is passed on, but no client is made to sleep for hours."""
    problem = problems.of(errors.Throttled("feed", "Slow down.", retry_after=said))
    assert problem is not None
    assert problem.headers()["Retry-After"] == told


def test_a_leaf_below_a_leaf_is_answered_like_it() -> None:
    """An error derived from one in the table is answered as that one; one outside of it is none of the table's."""
    kind = type("Narrower", (errors.Unreachable,), {})
    problem = problems.of(kind("feed", "Gone."))
    assert problem is not None
    assert problem.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert problems.of(errors.WheelkeepError("a base")) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "a\r\nSet-Cookie: x=1",
        "a\nb",
        "nul \x00 and \x1b[0m",
        "snow ☃ and é",
        "word " * 200,
        "tab\tand\x85line",
    ],
)
def test_a_reason_phrase_is_short_and_printable(sentence: str) -> None:
    """Nothing in a sentence can start a new header line, reach a terminal as a control, or grow without end."""
    reason = Problem(HTTPStatus.FORBIDDEN, sentence).reason
    assert reason
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= problems.LONGEST_REASON


def test_a_body_is_rfc_9457_to_who_asks_for_json() -> None:
    """A client that accepts JSON gets problem+json with the sentence and the request id."""
    problem = Problem(HTTPStatus.FORBIDDEN, "It is <blocked>.")
    content_type, body = problem.body("application/vnd.pypi.simple.v1+json, text/html;q=0.1", "id-1")
    assert content_type == "application/problem+json"
    assert msgspec.json.decode(body) == {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "It is <blocked>.",
        "request_id": "id-1",
    }


@pytest.mark.parametrize("accept", ["", "*/*", "text/html"])
def test_a_body_is_plain_text_to_everybody_else(accept: str) -> None:
    """Who does not ask for JSON reads the sentence."""
    content_type, body = Problem(HTTPStatus.FORBIDDEN, "It is blocked.").body(accept, "id-1")
    assert content_type == "text/plain; charset=utf-8"
    assert body == b"It is blocked.\n"


def test_the_unexpected_tells_only_where_to_look() -> None:
    """A failure that nobody foresaw is a 500 that names the request id and nothing else."""
    problem = problems.unexpected("id-9")
    assert problem.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "id-9" in problem.sentence
