"""Adaptive concurrency: from few connections to as many as the receiver takes well, and back at once."""

from hypothesis import given
from hypothesis import strategies as st

from hedwig.pace import FIRST, Window


def test_it_begins_low_and_doubles_while_all_goes_well():
    window = Window()
    assert window.allows(20) == int(FIRST)
    for _ in range(5):
        window.good(20)
    assert window.allows(20) == 10
    for _ in range(100):
        window.good(20)
    assert window.allows(20) == 20
    assert window.allows(4) == 4


def test_after_trouble_it_grows_by_one_a_round():
    window = Window(size=16.0)
    window.trouble(100.0)
    assert window.allows(20) == 8
    for _ in range(8):
        window.good(20)
    assert window.allows(20) == 8
    window.good(20)
    assert window.allows(20) == 9


def test_connections_that_fail_together_are_one_trouble():
    window = Window(size=16.0)
    for moment in (100.0, 100.1, 100.9):
        window.trouble(moment)
    assert window.allows(20) == 8
    window.trouble(101.0)
    assert window.allows(20) == 4


def test_after_a_back_off_one_connection_finds_out_and_doubling_goes_half_the_way():
    window = Window(size=16.0)
    window.begin_anew(100.0)
    assert window.allows(20) == 1
    for _ in range(7):
        window.good(20)
    assert window.allows(20) == 8
    window.good(20)
    assert window.allows(20) == 8


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 30))
def test_it_never_leaves_its_bounds(events, most):
    window = Window()
    for number, good in enumerate(events):
        if good:
            window.good(most)
        else:
            window.trouble(2.0 * number)
        assert 1 <= window.allows(most) <= most
