"""The spool's contract: how TLS went is counted by day, and each report is one worker's to send, once."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from spool_parts import DAY, NOW, Clock, letter, waiting_ids

from hedwig.spool.tls_results import KEPT, MAX_REASON, ROWS_EACH, TAKEN, WAITS, End, Taken, count, end, take
from hedwig.tlsrpt import Count, Policy, PolicyType, Result, Session, day_of

TODAY = day_of(NOW)
OVER = (TODAY + 1) * DAY
NONE = Policy(PolicyType.NONE, "dest.example")
TLSA = Policy(PolicyType.TLSA, "mx.dest.example", ("3 1 1 00",))
GOOD = Session("dest.example", NONE)
BAD = Session(
    "dest.example", TLSA, Result.EXPIRED, "mx.dest.example", "192.0.2.1", "203.0.113.5", "certificate has expired"
)


def counted(spool: Any, *counts: Count, day: int = TODAY, delay: float = 600.0) -> None:
    for future in count(spool, day, counts, lambda: delay):
        future.result(10)


def taken(spool: Any, now: float) -> Taken:
    return take(spool, now).result(10)


def ended(spool: Any, number: int, domain: str, *letters: Any, now: float = OVER + 700) -> Sequence[Any]:
    return end(spool, End(number, domain, letters), now).result(10)


def test_alike_sessions_are_one_row(spool: Any) -> None:
    """From several flushes and workers; policies, results and details stay apart."""
    counted(spool, Count(GOOD, 3), Count(BAD, 1))
    counted(spool, Count(GOOD, 4), Count(BAD, 1), Count(Session("dest.example", TLSA), 2))
    (day,) = taken(spool, OVER + 600).days
    assert (day.number, day.domain) == (TODAY, "dest.example")
    assert set(day.counts) == {Count(GOOD, 7), Count(BAD, 2), Count(Session("dest.example", TLSA), 2)}


def test_due_when_the_day_is_over_and_the_delay_too(spool: Any) -> None:
    """Each domain at its own time (RFC 8460 §4.1), and a day that goes on never."""
    counted(spool, Count(GOOD, 1), delay=600)
    counted(spool, Count(Session("late.example", NONE), 1), delay=7200)
    counted(spool, Count(GOOD, 1), delay=9999)  # it has its time already
    assert taken(spool, OVER - 1).days == ()
    assert taken(spool, OVER + 599).days == ()
    assert [day.domain for day in taken(spool, OVER + 600).days] == ["dest.example"]
    assert [day.domain for day in taken(spool, OVER + 7200).days] == ["dest.example", "late.example"]


def test_one_worker_has_it_at_a_time(spool: Any, opened: Callable[[], Any]) -> None:
    """Whoever comes first; the others, and the next try, wait."""
    counted(spool, *(Count(Session(f"{number}.example", NONE), 1) for number in range(60)))
    others = [opened() for _ in range(3)]
    found: list[str] = []

    def work(one: Any) -> None:
        while days := taken(one, OVER + 700).days:
            found.extend(day.domain for day in days)

    threads = [threading.Thread(target=work, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"{number}.example" for number in range(60))


def test_more_than_one_go(spool: Any) -> None:
    counted(spool, *(Count(Session(f"{number}.example", NONE), 1) for number in range(TAKEN + 1)))
    first, second = taken(spool, OVER + 700), taken(spool, OVER + 700)
    assert (len(first.days), first.more) == (TAKEN, True)
    assert (len(second.days), second.more) == (1, False)


def test_tried_again_for_a_day_and_then_dropped(spool: Any) -> None:
    """RFC 8460 §5.5; each wait is longer."""
    counted(spool, Count(GOOD, 1), delay=0)
    now = OVER
    for wait in (*WAITS, WAITS[-1]):
        assert len(taken(spool, now).days) == 1
        assert taken(spool, now + wait - 1) == Taken()
        now += wait
    assert taken(spool, now) == Taken((), ((TODAY, "dest.example"),))
    assert taken(spool, now + 9 * DAY) == Taken()
    assert 23 * 3600 < sum(WAITS) <= 24 * 3600


def test_the_letter_and_the_end_are_one(spool: Any) -> None:
    """The letter is registered, its deliveries are told, the counts are gone; and nobody does it again."""
    counted(spool, Count(GOOD, 1), Count(BAD, 1))
    taken(spool, OVER + 700)
    sent = letter("tls@dest.example")
    (waiting,) = ended(spool, TODAY, "dest.example", sent)
    assert waiting.destination == "dest.example"
    assert ended(spool, TODAY, "dest.example", letter("tls@dest.example")) == ()
    assert waiting_ids(spool) == [sent.queue_id]
    assert taken(spool, OVER + 5 * DAY) == Taken()


def test_the_end_without_a_letter(spool: Any) -> None:
    """Nobody wants it, or it was posted; other days and domains stay."""
    counted(spool, Count(GOOD, 1), Count(Session("other.example", NONE), 1))
    counted(spool, Count(GOOD, 1), day=TODAY + 1)
    assert ended(spool, TODAY, "dest.example") == ()
    assert [day.domain for day in taken(spool, OVER + 700).days] == ["other.example"]
    days = taken(spool, OVER + DAY + 700).days
    assert [(day.number, day.domain) for day in days] == [(TODAY, "other.example"), (TODAY + 1, "dest.example")]


def test_a_receiver_of_many_names_stays_small(spool: Any) -> None:
    """Past ROWS_EACH details are left out, and not one session is."""
    many = 3 * ROWS_EACH
    sessions = [
        Session("dest.example", TLSA, Result.EXPIRED, f"mx{number}.dest.example", reason="x" * 5000)
        for number in range(many)
    ]
    counted(spool, *(Count(session, 1) for session in sessions), Count(GOOD, 5))
    (day,) = taken(spool, OVER + 700).days
    assert len(day.counts) == ROWS_EACH + 2
    assert sum(each.sessions for each in day.counts if each.session.result) == many
    assert Count(GOOD, 5) in day.counts
    assert max(len(each.session.reason) for each in day.counts) == MAX_REASON


def test_old_days_are_forgotten_by_chores(spool: Any, opened: Callable[[], Any], clock: Clock) -> None:
    """Also where nobody takes them, since reports were switched off."""
    counted(spool, Count(GOOD, 1), Count(BAD, 1), day=TODAY - KEPT - 1)
    counted(spool, Count(GOOD, 1), day=TODAY - KEPT)
    clock.now = NOW
    later = opened()  # its writer begins with a step of chores
    assert [day.number for day in taken(later, NOW).days] == [TODAY - KEPT]
