"""Adaptive concurrency: from few connections to as many as the receiver takes well, and back at once."""

from hypothesis import given
from hypothesis import strategies as st

from hedwig.pace import FIRST, HOLD, Window


def carried(window, count, most=20, used=20, now=0.0):
    for _ in range(count):
        window.good(most, used, now)


def test_it_begins_low_and_doubles_while_all_goes_well():
    window = Window()
    assert window.allows(20) == int(FIRST)
    carried(window, 5)
    assert window.allows(20) == 10
    carried(window, 100)
    assert window.allows(20) == 20
    assert window.allows(4) == 4


def test_after_trouble_it_grows_by_one_a_round():
    window = Window(size=16.0)
    window.trouble(100.0)
    assert window.allows(20) == 8
    carried(window, 8)
    assert window.allows(20) == 8
    carried(window, 1)
    assert window.allows(20) == 9


def test_a_window_that_is_not_used_does_not_grow():
    """Many letters one after the other say nothing of twenty at a time."""
    window = Window()
    carried(window, 1000, used=1)
    assert window.allows(20) == 1 + int(FIRST)
    carried(window, 1000, used=6)
    assert window.allows(20) == 6 + int(FIRST)


def test_connections_that_fail_together_are_one_trouble():
    window = Window(size=16.0)
    for moment in (100.0, 100.1, 100.9):
        window.trouble(moment)
    assert window.allows(20) == 8
    window.trouble(101.0)
    assert window.allows(20) == 4


def test_a_receiver_that_takes_no_more_keeps_what_it_has_and_is_asked_again_after_a_while():
    window = Window(size=12.0)
    window.full(8, 100.0)
    assert window.allows(20) == 8
    carried(window, 1000, used=8, now=100.0 + HOLD - 1)
    assert window.allows(20) == 8
    carried(window, 9, used=8, now=100.0 + HOLD)
    assert window.allows(20) == 9
    window.full(8, 101.0 + HOLD)
    assert window.allows(20) == 8


def test_after_a_back_off_one_connection_finds_out_and_doubling_goes_half_the_way():
    window = Window(size=16.0)
    window.begin_anew(100.0)
    assert window.allows(20) == 1
    carried(window, 7)
    assert window.allows(20) == 8
    carried(window, 1)
    assert window.allows(20) == 8


@given(st.lists(st.sampled_from(["good", "trouble", "full"]), max_size=300), st.integers(1, 30))
def test_it_never_leaves_its_bounds(events, most):
    window = Window()
    for number, event in enumerate(events):
        now = 2.0 * number
        if event == "good":
            window.good(most, window.allows(most), now)
        elif event == "full":
            window.full(window.allows(most) - 1, now)
        else:
            window.trouble(now)
        assert 1 <= window.allows(most) <= most


def test_a_refusal_before_nobody_answered_was_no_word_on_the_number():
    """The first of a receiver's connections to find it gone: others seemed to be open yet."""
    window = Window(size=16.0)
    window.full(1, 100.0)
    window.gone(101.0)
    carried(window, 3, now=102.0)
    assert window.allows(20) > 1
