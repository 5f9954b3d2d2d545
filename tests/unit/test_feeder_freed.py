"""The operator has freed something: hints that were taken while it was held are put again, and no others."""

from feeder_play import Play

from hedwig.postoffice.hints import LOST
from hedwig.postoffice.lost import AT_MOST
from hedwig.spool import Pause
from hedwig.spool.stops import EVERYWHERE


def test_hints_that_were_taken_while_their_mail_was_held_are_put_again() -> None:
    """It is freed before the feeder has asked: it goes within seconds, not after a minute. And each hint once, however
    often something is freed."""
    play = Play()
    play.look.add("a.example", 3)
    play.go(0.01)
    assert len(play.take(claim=False)) == 3
    for _ in range(5):
        play.look.paused = [Pause(EVERYWHERE, play.unix, play.unix + 0.001, "")]
        play.go(0.3)
    assert play.take(claim=False) == [1, 2, 3]
    play.go(AT_MOST + 1)
    assert play.take() == [1, 2, 3], "what was freed last was said after that"
    play.go(LOST)
    assert play.hints() == 0


def test_what_the_queue_still_has_is_not_doubled_when_something_is_freed() -> None:
    play = Play()
    play.look.add("a.example", 3)
    play.go(1)
    play.look.paused = [Pause(EVERYWHERE, play.unix, play.unix + 0.001, "")]
    play.go(10)
    assert play.hints() == 3
