"""Windows: at least 100 a destination and 1,000 a lane, two seconds of what is taken, and no memory of the idle."""

from hedwig.postoffice.window import LANE_LEAST, LANE_MOST, LEAST, Windows


def windows() -> Windows:
    return Windows(lambda destination: destination[0])


def test_a_new_destination_has_a_hundred() -> None:
    new = windows()
    assert new.room("a.example") == LEAST == 100
    new.hinted("a.example", range(100), 1)
    assert new.room("a.example") == 0
    assert not new.low("a.example")


def test_a_window_grows_with_what_is_taken_and_shrinks_slowly() -> None:
    """1,000 a second taken: about 2,000 in the window after a few looks; an idle second later still most of it."""
    new, number = windows(), 0
    for _ in range(10):
        new.hinted("a", range(number, number + 50), 1)
        number += 50
        new.taken(set(), 0.05)
    assert 1900 <= new.size("a") <= 2000
    new.taken(set(), 1.0)
    assert 1000 < new.size("a") < 1900
    for _ in range(20):
        new.taken(set(), 1.0)
    assert new.size("a") == LEAST
    assert not new._paces


def test_hints_that_still_wait_stay_out() -> None:
    new = windows()
    new.hinted("a", [1, 2, 3], 1)
    assert new.taken({2}, 1.0) == 2
    assert list(new.out("a")) == [2]
    assert len(new) == 1


def test_a_lane_is_shared() -> None:
    new = windows()
    for number in range(10):
        new.hinted(f"a{number}", range(number * 100, number * 100 + 100), 1)
    assert new.lane_room("a-new") == 0
    assert new.lane_room("b") == LANE_LEAST
    assert new.full_lanes() == ["a"]
    assert new.fresh_room("a-new"), "fresh mail for another destination passes"
    new.hinted("a-many", range(10_000, 10_000 + LANE_MOST), 1)
    assert not new.fresh_room("a-new")


def test_a_hint_put_twice_counts_once() -> None:
    new = windows()
    new.hinted("a", [1], 1)
    new.hinted("a", [1], 5)
    assert len(new) == 1
    assert new.stale(3) == {}
    assert new.stale(6) == {"a": [1]}


def test_forgetting() -> None:
    new = windows()
    new.hinted("a", [1, 2], 1)
    new.hinted("b", [3], 1)
    new.forget("a")
    new.forget("a")
    assert new.every() == [3]
    assert new.lanes() == {"a": 0, "b": 1}
    new.forget_all()
    assert len(new) == 0
    assert new.taken(set(), 1.0) == 0


def test_the_clock_was_set() -> None:
    new = windows()
    new.hinted("a", [1], 100)
    new.shift(-50)
    assert new.stale(60) == {"a": [1]}
