"""Which pauses are news to the feeder, and from which priority on they hold."""

from hedwig.postoffice.pausing import Pausing
from hedwig.spool import Pause, Stream

A = Stream("a", 1)


def test_a_pause_its_end_and_nothing_else() -> None:
    pausing = Pausing()
    pause = Pause("a", since=10.0, until=20.0, reason="busy")
    assert pausing.changed([pause], 11.0) == {"a": 0}
    assert pausing.is_paused(A)
    assert pausing.changed([pause], 12.0) == {}
    assert pausing.changed([pause], 20.0) == {"a": 0}
    assert not pausing.is_paused(A)
    assert pausing.changed([pause], 21.0) == {}
    assert pausing.changed([], 30.0) == {}


def test_a_pause_that_came_and_went_is_reported_once() -> None:
    pausing = Pausing()
    over = Pause("a", since=10.0, until=10.05, reason="busy")
    assert pausing.changed([over], 10.2) == {"a": 0}
    assert not pausing.is_paused(A)
    assert pausing.changed([over], 10.4) == {}


def test_a_pause_made_anew_says_that_more_was_dropped() -> None:
    pausing = Pausing()
    pausing.changed([Pause("a", 10.0, 20.0, "busy")], 11.0)
    assert pausing.changed([Pause("a", 12.0, 22.0, "busy")], 12.1) == {"a": 0}
    assert pausing.is_paused(A)


def test_two_workers_pause_one_destination() -> None:
    pausing = Pausing()
    first, second = Pause("a", 10.0, 11.0, "busy"), Pause("a", 10.5, 12.0, "busy")
    pausing.changed([first, second], 10.6)
    assert pausing.changed([first, second], 11.5) == {}
    assert pausing.is_paused(A)
    assert pausing.changed([second], 12.5) == {"a": 0}


def test_a_pause_of_bulk_lets_the_others_go_on() -> None:
    pausing = Pausing()
    bulk = Pause("a", 10.0, 12.0, "busy", priority=2)
    assert pausing.changed([bulk], 10.1) == {"a": 2}
    assert [pausing.is_paused(Stream("a", priority)) for priority in range(4)] == [False, False, True, True]
    assert not pausing.is_paused(Stream("b", 2))
    assert pausing.changed([bulk], 12.0) == {"a": 2}


def test_two_workers_pause_different_priorities() -> None:
    """The wider one holds; when it ends, what it held beyond the other is free."""
    pausing = Pausing()
    bulk, everything = Pause("a", 10.0, 20.0, "busy", priority=2), Pause("a", 11.0, 15.0, "down")
    assert pausing.changed([bulk], 10.1) == {"a": 2}
    assert pausing.changed([bulk, everything], 11.1) == {"a": 0}
    assert pausing.is_paused(Stream("a", 0))
    assert pausing.changed([bulk, everything], 15.0) == {"a": 0}
    assert [pausing.is_paused(Stream("a", priority)) for priority in range(3)] == [False, False, True]


def test_short_pauses_are_looked_at_more_often() -> None:
    """They may end at any moment; one of an hour is no reason to look."""
    pausing = Pausing()
    assert not pausing.short
    pausing.changed([Pause("a", 10.0, 3610.0, "it rests")], 11.0)
    assert not pausing.short
    pausing.changed([Pause("a", 10.0, 3610.0, "it rests"), Pause("b", 10.5, 12.0, "busy")], 11.0)
    assert pausing.short
    pausing.changed([Pause("b", 10.5, 12.0, "busy")], 12.0)
    assert not pausing.short
