"""Rates hold in any stretch of their length, and are used to the full over a long time."""

import bisect

from hypothesis import given, settings
from hypothesis import strategies as st

from hedwig.rates import SLACK, Rate


def sent(rate, asks):
    """The times at which tokens were taken by who asks at these times for so many."""
    at, times = 0.0, []
    for now, wanted in asks:
        count = rate.grants(at, now, wanted)
        assert 0 <= count <= wanted
        at = rate.taken(at, now, count) if count else at
        times += [now] * count
    return times


def most_in(times, seconds):
    return max((bisect.bisect_left(times, begin + seconds) - place for place, begin in enumerate(times)), default=0)


@settings(max_examples=200)
@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(1, 60)), min_size=1, max_size=60),
    st.lists(st.floats(0.0, SLACK), min_size=1, max_size=20),
)
def test_no_stretch_has_more_than_the_limit_wherever_it_begins_and_however_late_they_arrive(limit, gaps, delays):
    rate = Rate("minute", limit, 60.0)
    now, asks = 1_000_000.0, []
    for gap, wanted in gaps:
        now += gap
        asks.append((now, wanted))
    times = sent(rate, asks)
    arrived = sorted(moment + delays[place % len(delays)] for place, moment in enumerate(times))
    assert most_in(arrived, 60.0) <= limit


def test_over_a_long_time_nearly_all_of_it_can_be_used():
    rate = Rate("minute", 60, 60.0)
    times = sent(rate, [(1_000_000.0 + second, 5) for second in range(3600)])
    assert 0.85 * 3600 < len(times) <= 3600


def test_it_says_how_long_to_wait_and_that_is_true():
    rate = Rate("minute", 10, 60.0)
    at = rate.taken(0.0, 1000.0, 1)
    assert rate.grants(at, 1000.0, 1) == 0
    wait = rate.wait(at, 1000.0)
    assert 0 < wait < 10
    assert rate.grants(at, 1000.0 + wait + 1e-3, 1) == 1
    assert rate.wait(at, 1000.0 + wait + 1e-3) == 0


def test_what_is_given_back_can_be_taken_again():
    rate = Rate("minute", 200, 60.0)
    at = rate.taken(0.0, 1000.0, 10)
    assert rate.grants(at, 1000.0, 5) == 0
    assert rate.grants(rate.taken(at, 1000.0, -4), 1000.0, 10) == 4


def test_one_a_day_is_one_a_day():
    rate = Rate("day", 1, 86400.0)
    at = rate.taken(0.0, 1000.0, 1)
    assert rate.grants(at, 1000.0 + 86400.0, 1) == 0
    assert rate.grants(at, 1000.0 + 86400.0 + 2 * SLACK, 1) == 1
