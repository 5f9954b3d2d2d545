"""Which pauses are news to the feeder."""

from hedwig.postoffice.pausing import Pausing
from hedwig.spool import Pause


def test_a_pause_its_end_and_nothing_else() -> None:
    pausing = Pausing()
    pause = Pause("a", since=10.0, until=20.0, reason="busy")
    assert pausing.changed([pause], 11.0) == {"a"}
    assert pausing.paused == {"a"}
    assert pausing.changed([pause], 12.0) == set()
    assert pausing.changed([pause], 20.0) == {"a"}
    assert pausing.paused == set()
    assert pausing.changed([pause], 21.0) == set()
    assert pausing.changed([], 30.0) == set()


def test_a_pause_that_came_and_went_is_reported_once() -> None:
    pausing = Pausing()
    over = Pause("a", since=10.0, until=10.05, reason="busy")
    assert pausing.changed([over], 10.2) == {"a"}
    assert pausing.paused == set()
    assert pausing.changed([over], 10.4) == set()


def test_a_pause_made_anew_says_that_more_was_dropped() -> None:
    pausing = Pausing()
    pausing.changed([Pause("a", 10.0, 20.0, "busy")], 11.0)
    assert pausing.changed([Pause("a", 12.0, 22.0, "busy")], 12.1) == {"a"}
    assert pausing.paused == {"a"}


def test_two_workers_pause_one_destination() -> None:
    pausing = Pausing()
    first, second = Pause("a", 10.0, 11.0, "busy"), Pause("a", 10.5, 12.0, "busy")
    pausing.changed([first, second], 10.6)
    assert pausing.changed([first, second], 11.5) == set()
    assert pausing.paused == {"a"}
    assert pausing.changed([second], 12.5) == {"a"}
