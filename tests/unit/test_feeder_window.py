"""Windows: at least 100 a destination and 1,000 a lane, two seconds of what is taken, and no memory of the idle."""

from hedwig.postoffice.window import LANE_LEAST, LANE_MOST, LEAST, Windows
from hedwig.spool import Stream

A_EXAMPLE, A, B = Stream("a.example", 1), Stream("a", 1), Stream("b", 1)


def windows() -> Windows:
    return Windows(lambda destination: destination[0])


def test_a_new_destination_has_a_hundred() -> None:
    new = windows()
    assert new.room(A_EXAMPLE) == LEAST == 100
    new.hinted(A_EXAMPLE, range(100), 1)
    assert new.room(A_EXAMPLE) == 0
    assert not new.low(A_EXAMPLE)


def test_a_window_grows_with_what_is_taken_and_shrinks_slowly() -> None:
    """1,000 a second taken: about 2,000 in the window after a few looks; an idle second later still most of it."""
    new, number = windows(), 0
    for _ in range(10):
        new.hinted(A, range(number, number + 50), 1)
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
    new.hinted(A, [1, 2, 3], 1)
    assert new.taken({2}, 1.0) == 2
    assert list(new.out(A)) == [2]
    assert len(new) == 1


def test_a_lane_is_shared() -> None:
    new = windows()
    for number in range(10):
        new.hinted(Stream(f"a{number}", 1), range(number * 100, number * 100 + 100), 1)
    assert new.lane_room(Stream("a-new", 1)) == 0
    assert new.lane_room(B) == LANE_LEAST
    assert new.full_lanes() == ["a"]
    assert new.fresh_room(Stream("a-new", 1)), "fresh mail for another destination passes"
    new.hinted(Stream("a-many", 1), range(10_000, 10_000 + LANE_MOST), 1)
    assert not new.fresh_room(Stream("a-new", 1))


def test_a_hint_put_twice_counts_once() -> None:
    new = windows()
    new.hinted(A, [1], 1)
    new.hinted(A, [1], 5)
    assert len(new) == 1
    assert new.stale(3) == {}
    assert new.stale(6) == {A: [1]}


def test_forgetting() -> None:
    new = windows()
    new.hinted(A, [1, 2], 1)
    new.hinted(B, [3], 1)
    new.forget(A)
    new.forget(A)
    assert new.every() == [3]
    assert new.lanes() == {"a": 0, "b": 1}
    new.forget_all()
    assert len(new) == 0
    assert new.taken(set(), 1.0) == 0


def test_better_ones_find_room_where_worse_ones_have_filled_the_window() -> None:
    """Urgent, normal and bulk have a window each, at the most; what is better counts in the worse one's, not the other
    way round."""
    new = windows()
    urgent, normal, bulk = (Stream("a", priority) for priority in range(3))
    new.hinted(bulk, range(100), 1)
    assert [new.room(one) for one in (urgent, normal, bulk)] == [100, 100, 0]
    assert [new.low(one) for one in (urgent, normal, bulk)] == [True, True, False]
    new.hinted(urgent, range(100, 160), 1)
    assert [new.room(one) for one in (urgent, normal, bulk)] == [40, 40, 0]
    new.hinted(normal, range(200, 240), 1)
    assert [new.room(one) for one in (urgent, normal, bulk)] == [40, 0, 0]
    assert len(new) == 200 and sorted(new.every()) == [*range(160), *range(200, 240)]
    assert new.taken(set(range(100)), 1.0) == 100, "all but bulk"
    assert [new.room(one) > 0 for one in (urgent, normal)] == [True, True]
    assert new.size("a") - len(new.out(bulk)) == new.room(bulk)


def test_a_lane_that_bulk_has_filled_takes_what_is_better() -> None:
    new = windows()
    for number in range(10):
        new.hinted(Stream(f"a{number}", 2), range(number * 100, number * 100 + 100), 1)
    urgent, normal, bulk = (Stream("a-new", priority) for priority in range(3))
    assert [new.lane_room(one) for one in (urgent, normal, bulk)] == [LANE_LEAST, LANE_LEAST, 0]
    new.hinted(Stream("a-many", 1), range(10_000, 10_000 + LANE_MOST), 1)
    assert [new.fresh_room(one) for one in (urgent, normal, bulk)] == [LEAST, 0, 0]
    new.forget(Stream("a0", 2))
    assert new.lanes() == {"a": 900 + LANE_MOST}


def test_a_lane_that_urgent_mail_has_filled_has_a_tenth_for_the_others() -> None:
    """Bounces to a thousand broken receivers, whose hints come back again and again, starve no others (I9)."""
    new = windows()
    for number in range(40):
        new.hinted(Stream(f"a-dead{number}", 0), range(number * 100, number * 100 + 100), 1)
    urgent, normal, bulk = (Stream("a-new", priority) for priority in range(3))
    assert [new.lane_room(one) for one in (urgent, normal, bulk)] == [0, 100, 100]
    new.hinted(Stream("a-other", 1), range(10_000, 10_100), 1)
    assert [new.lane_room(one) for one in (urgent, normal, bulk)] == [0, 0, 100]
