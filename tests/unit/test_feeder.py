"""The feeder, round by round, with a spool of the test's and the queue in memory; nothing waits."""

from collections.abc import Iterator, Sequence

import pytest
from feeder_play import Play

from hedwig import log
from hedwig.postoffice.feeder import ALL_EVERY, MOST_NOTICED
from hedwig.postoffice.hints import LOST
from hedwig.spool import Pause, Waiting
from hedwig.spool.stops import EVERYWHERE


@pytest.fixture
def play() -> Iterator[Play]:
    new = Play()
    log.capture(lambda _level, message, _fields: new.said.append(message))
    yield new
    log.start("hedwig")


def test_fresh_mail_is_hinted_in_the_same_round(play: Play) -> None:
    play.go()
    play.feeder.notice(play.look.add("a.example", 3))
    play.feeder.step()
    assert play.take() == [1, 2, 3]


def test_what_lay_there_before_the_start_is_hinted(play: Play) -> None:
    play.look.add("a.example", 3)
    play.look.add("later.example", 1, due=play.unix + 50)
    play.go()
    assert play.take() == [1, 2, 3]


def test_a_tarpit_has_a_hundred_hints_ahead_of_fresh_mail(play: Play) -> None:
    """50,000 letters to a dead domain: the next one for another has at most its window before it (I9)."""
    play.feeder.notice(play.look.add("dead.example", 50_000))
    play.go(1)
    assert play.hints() == 100
    (fresh,) = play.look.add("good.example", 1)
    play.feeder.notice([fresh])
    play.feeder.step()
    assert play.take(claim=False).index(fresh.delivery) == 100


def test_destinations_take_turns_and_a_lane_has_a_thousand(play: Play) -> None:
    for number in range(30):
        play.look.add(f"d{number}.example", 500)
    play.go(1)
    assert play.hints() == 1000
    owners = [play.look.waiting[number][0] for number in play.take(claim=False)]
    assert {owners.count(name) for name in set(owners)} == {100}


def test_everything_is_hinted_once_in_the_end(play: Play) -> None:
    """5,000 letters in 40 destinations, workers that take 100 at a time: each claimed exactly once, none forgotten."""
    everything = [one.delivery for number in range(40) for one in play.look.add(f"d{number}.example", 125)]
    taken: list[int] = []
    for _ in range(400):
        play.go(0.05)
        taken += play.take(100)
    assert sorted(taken) == everything


def test_a_fast_receiver_never_runs_dry(play: Play) -> None:
    """20,000 waiting, 1,000 a second taken: from the second second on the queue always has more."""
    play.look.add("fast.example", 20_000)
    for _ in range(20):
        play.go(0.05)
        play.take(50)
    for _ in range(100):
        play.go(0.05)
        assert len(play.take(50)) == 50


def test_priority_then_due_time(play: Play) -> None:
    play.look.add("a.example", 1, due=20, priority=2)
    play.look.add("a.example", 1, due=30, priority=1)
    play.look.add("a.example", 1, due=10, priority=2)
    play.go()
    assert play.take() == [2, 3, 1]


def test_deferred_mail_is_hinted_when_it_is_due(play: Play) -> None:
    play.look.add("a.example", 1, due=play.unix + 10)
    play.go(9.9)
    assert play.hints() == 0
    play.go(0.5)
    assert play.hints() == 1


def test_a_paused_destination_is_left_alone_and_then_hinted_anew(play: Play) -> None:
    """Workers have dropped what was out: after the pause it is put again."""
    play.look.add("a.example", 5)
    play.look.add("b.example", 1)
    play.go()
    assert len(play.take(claim=False)) == 6
    play.look.paused = [Pause("a.example", play.unix, play.unix + 10, "busy"), Pause("a.example", 0, 1, "old")]
    play.go(1)
    play.feeder.notice(play.look.add("a.example", 1))
    play.go(8)
    assert play.hints() == 0
    play.go(2)
    assert sorted(play.take(claim=False)) == [1, 2, 3, 4, 5, 7]


def test_a_pause_shorter_than_the_time_between_two_looks(play: Play) -> None:
    """The worker dropped the hints, and the pause is over before the feeder looks: they are put anew at once."""
    play.look.add("slow", 50)
    play.go(0.1)
    dropped = play.take(claim=False)
    assert len(dropped) == 50
    play.look.paused = [Pause("slow", play.unix, play.unix + 0.05, "busy")]
    play.go(0.5)
    assert sorted(play.take(claim=False)) == sorted(dropped)
    play.go(1.0)
    assert play.hints() == 0, "and once only"


def test_a_pause_that_came_and_went_while_the_feeder_stood_still(play: Play) -> None:
    """A frozen process, a spool that can't be read for a while: what was dropped meanwhile is put anew at once, not
    only when its hints are LOST."""
    play.look.add("slow", 50)
    play.go(0.1)
    dropped = play.take(claim=False)
    play.look.paused = [Pause("slow", play.unix, play.unix + 0.05, "busy")]
    play.pass_time(20)
    play.go(0.5)
    assert sorted(play.take(claim=False)) == sorted(dropped)
    play.go(1.0)
    assert play.hints() == 0, "and once only"


def test_a_pause_that_is_lifted_early(play: Play) -> None:
    play.look.paused = [Pause("a.example", play.unix, play.unix + 1000, "busy")]
    play.look.add("a.example", 5)
    play.go(1)
    assert play.hints() == 0
    play.look.paused = []
    play.go(0.5)
    assert play.hints() == 5


def test_the_operator_has_freed_something(play: Play) -> None:
    """A pause of everywhere, which is over at once, says: look at all destinations anew."""
    play.go(1)
    play.look.add("a.example", 1)
    play.go(0.5)
    assert play.hints() == 0
    play.look.paused = [Pause(EVERYWHERE, play.unix, play.unix + 0.001, "")]
    play.go(0.5)
    assert play.take() == [1]


def test_expired_mail_is_hinted_whatever_is_paused(play: Play) -> None:
    play.look.late = play.look.add("a.example", 1)
    play.look.paused = [Pause("a.example", play.unix, play.unix + 1000, "busy")]
    play.go(31)
    assert play.take() == [1]


def test_a_lost_hint_is_put_again_after_a_minute(play: Play) -> None:
    play.look.add("a.example", 5)
    play.go()
    assert len(play.take(claim=False)) == 5
    play.go(LOST - 1)
    assert play.hints() == 0
    play.go(5)
    assert len(play.take()) == 5


def test_hints_that_nobody_takes_are_not_doubled(play: Play) -> None:
    """No worker for an hour: the queue holds each hint once still."""
    play.look.add("a.example", 5)
    play.go(3600)
    assert play.hints() == 5


def test_an_emptied_queue_is_filled_again_within_two_seconds(play: Play) -> None:
    for number in range(10):
        play.look.add(f"d{number}.example", 90)
    play.go(10)
    play.broker.restart()
    play.go(2)
    assert len(set(play.take())) == 900


def test_while_the_queue_is_down_nothing_is_lost_and_nothing_piles_up(play: Play) -> None:
    play.go()
    play.broker.down = True
    for _ in range(20):
        play.feeder.notice(play.look.add("a.example", 10))
        play.go(1)
        assert play.feeder.down
    assert len(play.said) == 1
    assert not play.feeder._noticed
    play.broker.down = False
    play.go(2)
    assert not play.feeder.down
    assert play.hints() == 100
    assert len(play.said) == 2


def test_a_queue_that_fails_in_the_middle_of_a_put(play: Play) -> None:
    """What it did not take is put when it is back; windows do not count it as out."""
    play.go()

    class Breaking:
        def __init__(self, inner: object) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def put(self, hints: Sequence[object], priority: int = 1) -> None:
            play.broker.down = True
            self.inner.put(hints, priority)

    hints = play.feeder._hints
    whole, hints.queue = hints.queue, Breaking(hints.queue)
    play.look.add("b.example", 4, due=play.unix)
    play.feeder.notice(play.look.add("a.example", 3))
    play.go(1)
    hints.queue = whole
    play.broker.down = False
    play.go(2)
    assert len(play.take()) == 7


@pytest.mark.parametrize("jump", [-5000.0, 5000.0])
def test_a_clock_that_is_set_holds_nothing_back(play: Play, jump: float) -> None:
    play.look.add("a.example", 1)
    play.go(1)
    assert play.take() == [1]
    play.unix += jump
    play.look.add("b.example", 2, due=play.unix - 1)
    play.go(1)
    assert len(play.take()) == 2


def test_what_acceptance_could_not_tell_is_found(play: Play) -> None:
    """More notices than are kept, or a hint that was handed back unseen: the look at everything finds it."""
    play.go()
    play.look.add("a.example", 7)
    play.go(ALL_EVERY)
    assert len(play.take()) == 7


def test_an_overrun_of_notices_is_bounded(play: Play) -> None:
    play.go()
    many = play.look.add("a.example", 10)
    for number in range(MOST_NOTICED // 10 + 100):
        play.feeder.notice([Waiting(-number - 1, "x.example")] * 10 if number else many)
    assert len(play.feeder._noticed) <= MOST_NOTICED
    (last,) = play.look.add("unseen.example", 1)
    play.feeder.notice([last])
    play.go(1)
    assert last.delivery in play.take()


def test_a_million_waiting_cost_no_memory(play: Play) -> None:
    """What the feeder holds is bounded by its windows, not by what waits."""
    play.look.waiting = dict.fromkeys(range(200_000), ("dead.example", 1, 0.0))
    play.look.due = lambda destination, now, limit, priority: [
        Waiting(number, "dead.example") for number in range(limit)
    ]
    play.go(5)
    assert len(play.feeder._windows) <= 100
    assert len(play.feeder._backlog) + len(play.feeder._full) == 1
    assert not play.feeder._noticed


def test_the_thread_survives_a_spool_in_trouble(play: Play) -> None:
    """It says so once; what was noticed meanwhile is not forgotten."""
    play.look.trouble = True
    play.feeder.notice(play.look.add("a.example", 1))
    play.go(10)
    assert len(play.said) == 1
    play.look.trouble = False
    play.go(1)
    assert play.take() == [1]


def test_the_thread_survives_a_fault_of_its_own(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nobody would learn of new mail: it says so once, and goes on when it can."""
    real = play.look.pauses

    def broken(now: float) -> list[Pause]:
        raise KeyError("id")

    monkeypatch.setattr(play.look, "pauses", broken)
    play.feeder.notice(play.look.add("a.example", 1))
    play.go(10)
    assert [line for line in play.said if "KeyError" in line] == play.said
    assert len(play.said) == 1
    assert "KeyError" in play.feeder.down
    monkeypatch.setattr(play.look, "pauses", real)
    play.go(2)
    assert play.take() == [1]
    assert play.feeder.down == ""
