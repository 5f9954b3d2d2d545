"""When a recipient is tried again, when its sender is warned, when we give up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedwig.schedule import LAST_TRY, LEAST_WAIT, after_wait, expired, in_time, next_due, warn_due, while_held
from hedwig.settings import DAY, HOUR, MINUTE, Retry

DEFAULT = Retry()
NOW = 1_700_000_000.0
DICE = st.floats(0, 1, exclude_max=True)
RETRIES = st.builds(
    Retry,
    schedule=st.lists(st.integers(1, DAY), min_size=1, max_size=10).map(lambda waits: tuple(sorted(waits))),
    jitter=st.floats(0, 0.9),
)


def even() -> float:
    return 0.5


def test_default_waits() -> None:
    """6, 15, 30 minutes, 1, 2, 4 hours, then every 4 hours; an uncounted first try waits as the first."""
    waits = [next_due(tries, NOW, DEFAULT, even) - NOW for tries in range(9)]
    assert waits == [
        *[6 * MINUTE] * 2,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        *[4 * HOUR] * 3,
    ]


def test_ends_of_the_jitter() -> None:
    """20 % either way."""
    assert next_due(1, NOW, DEFAULT, lambda: 0.0) == NOW + 0.8 * 6 * MINUTE
    assert next_due(1, NOW, DEFAULT, lambda: 1.0) == NOW + 1.2 * 6 * MINUTE


@given(st.integers(-5, 10**9), RETRIES, DICE)
def test_within_jitter_and_in_the_future(tries: int, retry: Retry, dice: float) -> None:
    """Whatever the dice say: within the share of the wait for that try, and never now or in the past."""
    wait = retry.schedule[max(0, min(tries - 1, len(retry.schedule) - 1))]
    got = next_due(tries, 0.0, retry, lambda: dice)
    assert wait * (1 - retry.jitter) * 0.999 <= got <= wait * (1 + retry.jitter) * 1.001
    assert got > 0


@given(st.integers(0, 30), RETRIES)
def test_a_rising_schedule_rises(tries: int, retry: Retry) -> None:
    """More tries never wait less, and past the end the last wait repeats."""
    assert next_due(tries, NOW, retry, even) <= next_due(tries + 1, NOW, retry, even)
    last = len(retry.schedule)
    assert next_due(last, NOW, retry, even) == next_due(last + tries, NOW, retry, even)


@given(st.floats(0, 1e10), st.floats(0, 1e10), DICE)
def test_later_now_later_due(now: float, other: float, dice: float) -> None:
    """The clock moves the due time and nothing else does."""
    early, late = sorted((now, other))
    assert next_due(3, early, DEFAULT, lambda: dice) <= next_due(3, late, DEFAULT, lambda: dice)


def test_default_life_has_enough_tries() -> None:
    """RFC 5321 §4.5.4.1: two tries in the first hour, and four to five days before giving up."""
    now, tries, times = 0.0, 0, []
    while not expired(now, DEFAULT.expire):
        times.append(now)
        tries += 1
        now = next_due(tries, now, DEFAULT, even)
    assert len([at for at in times if at <= HOUR]) >= 2
    assert 4 * DAY <= times[-1] <= 5 * DAY
    assert len(times) > 20


def tries_of(life: float, dice: float = 0.5) -> list[float]:
    """When a message is tried that is deferred each time, and given up after `life` seconds."""
    now, times = 0.0, []
    while not expired(now, life):
        times.append(now)
        now = in_time(next_due(len(times), now, DEFAULT, lambda: dice), now, life, lambda: dice)
    assert now == life, "it is given up in the second in which it is over"
    return times


def test_a_short_deadline_has_a_last_try() -> None:
    """Ten minutes: at once, after 6 minutes, and once more within the last half minute."""
    assert tries_of(10 * MINUTE) == [0.0, 6 * MINUTE, 10 * MINUTE - 1.5 * LAST_TRY]
    assert tries_of(5 * MINUTE) == [0.0, 5 * MINUTE - 1.5 * LAST_TRY]
    assert tries_of(MINUTE) == [0.0, 0.7 * MINUTE]
    assert tries_of(30.0) == [0.0]


def test_the_schedule_goes_on_until_the_last_try() -> None:
    """Where the next try by schedule has time left behind it nothing changes; five days end with one more try too."""
    assert in_time(NOW + 360, NOW, NOW + 500, even) == NOW + 360
    assert tries_of(5 * DAY)[-1] == 5 * DAY - 1.5 * LAST_TRY


@given(st.floats(1, 6 * DAY), DICE)
def test_a_deadline_has_no_crowd_of_tries(life: float, dice: float) -> None:
    """Whatever the deadline: no two tries are closer than LEAST_WAIT, and none is past the end."""
    times = tries_of(life, dice)
    assert all(later - earlier >= LEAST_WAIT for earlier, later in pairwise(times))
    assert times[-1] < life


@given(st.floats(0, 1e6), st.floats(-1e6, 1e6), DICE)
def test_never_past_the_end(wait: float, left: float, dice: float) -> None:
    """Nor in the past, also where the end is over already."""
    due = in_time(NOW + wait, NOW, NOW + left, lambda: dice)
    assert NOW <= due <= max(NOW, NOW + left)


def test_expiry() -> None:
    """At the second itself it is over."""
    assert not expired(99.9, 100.0)
    assert expired(100.0, 100.0)
    assert expired(100.1, 100.0)


def test_warning_is_due_once() -> None:
    """Four hours after acceptance, once; 0 means never."""
    assert not warn_due(NOW + 4 * HOUR - 1, NOW, False, DEFAULT)
    assert warn_due(NOW + 4 * HOUR, NOW, False, DEFAULT)
    assert not warn_due(NOW + 4 * HOUR, NOW, True, DEFAULT)
    assert not warn_due(NOW + DAY, NOW, False, Retry(warn_after=0))


def test_a_wait_that_the_receiver_asks_for() -> None:
    """The first time exactly that, never less; later the schedule, where that is longer."""
    retry = Retry(schedule=(60, 600, 6000), jitter=0.5)
    assert after_wait(300.0, 0, 1000.0, retry, lambda: 0.0) == 1300.0
    assert after_wait(300.0, 1, 1000.0, retry, lambda: 0.999) == pytest.approx(1450.0, abs=1)
    assert after_wait(300.0, 2, 1000.0, retry, lambda: 0.5) == 1600.0
    assert after_wait(700.0, 2, 1000.0, retry, lambda: 0.5) == 1875.0


def test_what_is_held_is_tried_more_and_more_seldom_and_once_at_the_end() -> None:
    retry = Retry(jitter=0.0, hold=86400)
    now, tries = 0.0, []
    while now < 86400:
        now = while_held(0.0, now, retry, lambda: 0.5)
        tries.append(now)
    assert tries[:4] == [900.0, 1800.0, 2700.0, 3600.0]
    assert max(later - earlier for earlier, later in pairwise(tries)) == 3600.0
    assert tries[-1] == 86400.0
    assert len(tries) < 35
    assert while_held(0.0, 90_000.0, retry, lambda: 0.5) > 90_000.0
