"""The feeder and priorities: urgent passes what is full of bulk, bulk waits, and within one priority nobody starves."""

from collections.abc import Iterator

import pytest
from feeder_play import Play

from hedwig import log
from hedwig.postoffice.feeder import AT_ONCE, EXPIRED_EVERY
from hedwig.postoffice.hints import LOST
from hedwig.postoffice.turns import Turns
from hedwig.spool import Pause, Stream

URGENT, NORMAL, BULK = range(3)


@pytest.fixture
def play() -> Iterator[Play]:
    new = Play()
    log.capture(lambda _level, message, _fields: new.said.append(message))
    yield new
    log.start("hedwig")


def test_an_urgent_letter_passes_a_window_that_is_full_of_bulk(play: Play) -> None:
    """It is hinted in the same round, and handed out first; the same for a normal one."""
    play.feeder.notice(play.look.add("big.example", 5_000, priority=BULK))
    play.go(1)
    assert play.hints() == 100
    (normal,) = play.look.add("big.example", 1, priority=NORMAL)
    (urgent,) = play.look.add("big.example", 1, priority=URGENT)
    play.feeder.notice([normal, urgent])
    play.feeder.step()
    assert play.take(2) == [urgent.delivery, normal.delivery]


def test_an_urgent_retry_passes_too(play: Play) -> None:
    """One that becomes due, to a destination whose window is full, in a lane that is full."""
    for number in range(15):
        play.look.add(f"d{number}.example", 500, priority=BULK)
    play.look.add("d0.example", 1, due=play.unix + 5, priority=URGENT)
    play.go(4)
    assert play.hints() == 1000
    play.go(2)
    assert play.hints() == 1001
    assert play.take(1) == [7501]


def test_bulk_waits_while_better_mail_fills_the_window(play: Play) -> None:
    """Strict: nothing of it is added as long as the window is filled by normal mail; then it goes."""
    bulk = play.look.add("big.example", 300, priority=BULK)
    normal = play.look.add("big.example", 1_000, priority=NORMAL)
    taken: list[int] = []
    for _ in range(300):
        play.go(0.05)
        taken += play.take(10)
    assert sorted(taken[:1_000]) == [one.delivery for one in normal]
    assert sorted(taken[1_000:]) == [one.delivery for one in bulk]


def test_everything_goes_out_once_whatever_its_priority(play: Play) -> None:
    """3,000 letters in three priorities and 20 destinations: each is taken exactly once, the best ones first."""
    everything = {
        one.delivery: one.priority
        for number in range(20)
        for priority in (BULK, NORMAL, URGENT)
        for one in play.look.add(f"d{number}.example", 50, priority=priority)
    }
    taken: list[int] = []
    for _ in range(200):
        play.go(0.05)
        taken += play.take(100)
    assert sorted(taken) == sorted(everything)
    places = {
        priority: [place for place, one in enumerate(taken) if everything[one] == priority] for priority in range(3)
    }
    assert max(places[URGENT]) < min(places[BULK])


def test_destinations_take_turns_within_a_priority(play: Play) -> None:
    """One with 5,000 urgent letters does not keep others' urgent ones waiting (I9)."""
    play.feeder.notice(play.look.add("flood.example", 5_000, priority=URGENT))
    play.go(1)
    for number in range(9):
        play.feeder.notice(play.look.add(f"d{number}.example", 1, priority=URGENT))
    play.feeder.step()
    assert {5_001 + number for number in range(9)} <= set(play.take(109, claim=False))


def test_a_pause_of_bulk_holds_back_bulk_alone(play: Play) -> None:
    """The worker had no room for bulk: an urgent one is hinted meanwhile; at the end of the pause bulk is put anew."""
    bulk = [one.delivery for one in play.look.add("big.example", 50, priority=BULK)]
    play.go()
    assert len(play.take(claim=False)) == 50
    play.look.paused = [Pause("big.example", play.unix, play.unix + 10, "busy", priority=BULK)]
    play.go(1)
    (urgent,) = play.look.add("big.example", 1, priority=URGENT)
    play.feeder.notice([urgent])
    play.look.add("big.example", 1, due=play.unix, priority=NORMAL)
    play.go(1)
    assert play.take() == [urgent.delivery, 52]
    play.go(7)
    assert play.hints() == 0
    play.go(2)
    assert sorted(play.take(claim=False)) == bulk


def test_a_pause_of_everything_holds_back_urgent_too(play: Play) -> None:
    """The receiver is down."""
    play.look.paused = [Pause("down.example", play.unix, play.unix + 10, "refused")]
    play.go(1)
    play.feeder.notice(play.look.add("down.example", 1, priority=URGENT))
    play.go(8)
    assert play.hints() == 0
    play.go(2)
    assert play.take() == [1]


def test_lost_hints_keep_their_priority(play: Play) -> None:
    play.look.add("a.example", 1, priority=BULK)
    play.look.add("a.example", 1, priority=URGENT)
    play.go()
    assert len(play.take(claim=False)) == 2
    play.go(LOST + 5)
    assert play.take() == [2, 1]


def test_what_expires_is_hinted_within_a_second(play: Play) -> None:
    """A sender's deadline is short: a failure is told when it passes, whatever is paused and however many there are."""
    play.look.paused = [Pause("a.example", play.unix, play.unix + 1000, "busy")]
    play.go(5)
    late = play.look.add("a.example", 3 * AT_ONCE, priority=BULK)
    play.look.late = late
    play.go(EXPIRED_EVERY)
    taken = play.take()
    assert len(taken) == AT_ONCE
    for _ in range(3):
        play.look.late = [one for one in play.look.late if one.delivery not in taken]
        play.go(0.2)
        taken += play.take()
    assert sorted(taken) == [one.delivery for one in late]


def test_turns() -> None:
    """The best priority first, in each the order of coming; added twice is there once."""
    turns = Turns()
    a, b, c, d = Stream("a", 2), Stream("b", 1), Stream("c", 1), Stream("d", 0)
    turns.add([a, b, c, d, b])
    assert len(turns) == 4 and turns.first(9) == [d, b, c, a]
    assert turns.first(1) == [d, b, a], "so many of each: no priority hides another"
    turns.put_last(b)
    assert turns.first(9) == [d, c, b, a]
    turns.discard(d)
    turns.discard(d)
    turns.discard(a)
    assert len(turns) == 2 and a not in turns and b in turns and turns.first(9) == [c, b]
