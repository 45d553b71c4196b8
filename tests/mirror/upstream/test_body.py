"""A body that trickles is given up; a reader that dawdles is not the upstream's fault."""

from mirror.upstream.body import Patience
from mirror.upstream.limits import Limits

LIMITS = Limits(slow_window_seconds=60, slow_bytes_per_second=1_000)


def test_a_trickle_is_over_after_a_window() -> None:
    """One byte a second is given up when a whole window of waiting has passed, and not before."""
    patience = Patience(LIMITS)
    for _ in range(59):
        patience.spend(1, 1)
        assert not patience.is_over()
    patience.spend(1, 1)
    assert patience.is_over()


def test_enough_in_each_window_goes_on() -> None:
    """A body that is slow and steady enough goes on for as long as it takes."""
    patience = Patience(LIMITS)
    for _ in range(600):
        patience.spend(1, 1_000)
        assert not patience.is_over()


def test_a_good_beginning_does_not_pay_for_a_bad_end() -> None:
    """Each window counts for itself: what was fast once may not trickle for ever."""
    patience = Patience(LIMITS)
    patience.spend(60, 10_000_000)
    assert not patience.is_over()
    patience.spend(60, 1)
    assert patience.is_over()


def test_a_fast_body_is_never_over() -> None:
    """No waiting, no window: how long a reader takes between two pieces is not counted."""
    patience = Patience(LIMITS)
    for _ in range(1_000):
        patience.spend(0.0, 1)
    assert not patience.is_over()
