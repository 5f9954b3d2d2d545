"""The spool's contract: what the feeder and the operator see."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spool_parts import DAY, NOW, Clock, claim, deferred, done, event, held, letter, put, settle

from hedwig.moments import utc
from hedwig.options import Options, Priority, Submitter
from hedwig.reply import Reply, Stage
from hedwig.spool import Event, Kind, State


def destinations(spool: Any, now: float, newly_due_since: float | None) -> set[str]:
    """The destinations of all priorities with something due."""
    return {destination for destination, _ in spool.streams(now, newly_due_since)}


def test_destinations_with_something_due(spool: Any) -> None:
    """Fresh and deferred ones that are due; not what is claimed, held, or due later."""
    names = ("fresh", "later", "held", "active", "gone")
    numbers = dict(zip(names, put(spool, *[letter(f"a@{name}.example") for name in names]), strict=True))
    later, hold, gone = claim(spool, [numbers["later"], numbers["held"], numbers["gone"]])
    settle(spool, later, deferred(due=NOW + 60))
    settle(spool, hold, held())
    settle(spool, gone, done())
    claim(spool, [numbers["active"]])
    assert destinations(spool, NOW, None) == {"fresh.example"}
    assert destinations(spool, NOW + 60, None) == {"fresh.example", "later.example"}


def test_a_due_letter_behind_others_is_seen(spool: Any) -> None:
    """Though its destination has letters of a better priority that are not due, and others before and after it."""
    first, second = put(spool, letter("a@m.example", priority=0), letter("a@m.example", priority=5))
    put(spool, letter("a@a.example"), letter("a@z.example", priority=0), letter("a@z.example", priority=7))
    [got] = claim(spool, [first])
    settle(spool, got, deferred(due=NOW + 60))
    assert destinations(spool, NOW, None) == {"a.example", "m.example", "z.example"}
    assert [one.delivery for one in spool.due("m.example", NOW, 10)] == [second]


def test_newly_due(spool: Any) -> None:
    """Only deferred deliveries that became due in between; fresh ones never."""
    letters = [letter(f"a@d{index}.example") for index in range(4)]
    for index, got in enumerate(claim(spool, put(spool, *letters))):
        settle(spool, got, deferred(due=NOW + 10 * index))
    put(spool, letter("a@fresh.example"))
    assert destinations(spool, NOW + 20, NOW + 5) == {"d1.example", "d2.example"}
    assert destinations(spool, NOW + 35, NOW + 25) == {"d3.example"}
    assert destinations(spool, NOW + 100, NOW + 50) == set()


def test_streams_are_destinations_and_priorities(spool: Any) -> None:
    """Of each only what is due counts; `due` can be asked for one priority; a preview says which it is."""
    numbers = put(spool, *[letter("a@x.example", priority=priority) for priority in (2, 0, 2, 1)])
    [urgent] = claim(spool, [numbers[1]])
    settle(spool, urgent, deferred(due=NOW + 60))
    assert spool.streams(NOW, None) == {("x.example", 1), ("x.example", 2)}
    assert spool.streams(NOW + 60, NOW + 30) == {("x.example", 0)}
    assert [one.delivery for one in spool.due("x.example", NOW, 9, 2)] == [numbers[0], numbers[2]]
    assert [one.delivery for one in spool.due("x.example", NOW, 1, 2)] == [numbers[0]]
    assert spool.due("x.example", NOW, 9, 0) == []
    assert [one.delivery for one in spool.due("x.example", NOW + 60, 9)] == [
        numbers[1],
        numbers[3],
        numbers[0],
        numbers[2],
    ]
    assert [one.priority for one in spool.preview(numbers, NOW)] == [2, 2, 1]


def test_due_by_priority_then_acceptance(spool: Any) -> None:
    """The feeder's order: urgent first, then who came first; to the limit."""
    numbers = put(
        spool,
        letter(priority=2),
        letter(accepted_at=NOW - 1),
        letter(accepted_at=NOW + 9),
        letter(priority=0),
        letter("a@other.example"),
    )
    wanted = [numbers[3], numbers[1], numbers[2], numbers[0]]
    found = spool.due("dest.example", NOW, 10)
    assert [one.delivery for one in found] == wanted
    assert [one.priority for one in found] == [0, 1, 1, 2]
    assert {one.destination for one in found} == {"dest.example"}
    assert [one.delivery for one in spool.due("dest.example", NOW, 3)] == wanted[:3]
    assert spool.due("nowhere.example", NOW, 10) == []


def test_neither_fresh_mail_nor_retries_starve_the_other(spool: Any) -> None:
    """Where a destination has more of both than it takes, they go by turns, each kind in its own order."""
    numbers = put(spool, *[letter() for _ in range(7)])
    for one, due in zip(claim(spool, numbers[:4]), (NOW + 3, NOW + 1, NOW + 2, NOW + 99), strict=True):
        settle(spool, one, deferred(due=due))
    fresh, tried = numbers[4:], [numbers[1], numbers[2], numbers[0]]
    wanted = [number for pair in zip(fresh, tried, strict=True) for number in pair]
    assert [one.delivery for one in spool.due("dest.example", NOW + 10, 10)] == wanted
    assert [one.delivery for one in spool.due("dest.example", NOW + 10, 3)] == wanted[:3]
    assert [one.delivery for one in spool.due("dest.example", NOW + 1, 9)] == [fresh[0], tried[0], *fresh[1:]]


def test_expired_to_the_limit(spool: Any) -> None:
    """Those that expired first come first."""
    numbers = put(spool, *[letter(expires_at=NOW + offset) for offset in (30, 10, 20, 99)])
    assert [one.delivery for one in spool.expired(NOW + 50, 10)] == [numbers[1], numbers[2], numbers[0]]
    assert [one.delivery for one in spool.expired(NOW + 50, 2)] == [numbers[1], numbers[2]]


def test_the_list_of_what_is_queued(spool: Any) -> None:
    """Each recipient without outcome, with all that an operator asks: for whom, why, when next."""
    one = letter("b@x.example", "c@x.example", mailfrom="s@h.example")
    [got] = claim(spool, put(spool, one))
    settle(spool, got, deferred(0, NOW + 60), done(1))
    [[row], more] = spool.queued()
    assert more == 0
    assert (row.queue_id, row.client, row.mailfrom) == (one.queue_id, "host.example", "s@h.example")
    assert (row.rcptto, row.destination, row.state, row.tries) == ("b@x.example", "x.example", State.DEFERRED, 1)
    assert (row.accepted_at, row.due, row.last_reply) == (NOW, NOW + 60, "450 4.7.1 greylisted")
    assert row.size == one.body.size


def test_pages(spool: Any) -> None:
    """Oldest message first, each recipient once, also where a page ends inside a delivery; by ID too."""
    letters = [letter(*[f"{name}@x.example" for name in "abcde"], "f@y.example") for _ in range(5)]
    put(spool, *letters)
    seen, after, pages = [], 0, 0
    while True:
        page, after = spool.queued(limit=4, after=after)
        seen += [(one.queue_id, one.rcptto) for one in page]
        pages += 1
        assert len(page) <= 4
        if not after:
            break
    assert pages == 8
    assert seen == [(one.queue_id, address) for one in letters for address in one.envelope.rcpttos]
    page, after = spool.queued(letters[3].queue_id, limit=4)
    rest, end = spool.queued(letters[3].queue_id, limit=4, after=after)
    assert [one.rcptto for one in page + rest] == list(letters[3].envelope.rcpttos) and end == 0
    assert spool.queued("01" + "Z" * 24) == ([], 0)
    assert spool.queued(limit=30)[1] == 0, "a full last page is the last"


def test_a_history_reads_like_a_story(spool: Any) -> None:
    """Oldest first, in words, with client and recipient."""
    one = letter()
    numbers = put(spool, one)
    [got] = claim(spool, numbers)
    grey = Event(
        NOW + 1, Kind.DEFERRED, "b@dest.example", Stage.RCPT, Reply(450, "4.7.1", "greylisted"), "mx1", "next try in 6m"
    )
    settle(spool, got, deferred(due=NOW + 2), events=(grey,))
    [got] = claim(spool, numbers, now=NOW + 2)
    lost = Event(NOW + 3, Kind.IN_DOUBT, "b@dest.example", Stage.DOT, None, "mx1", "connection lost\r\nafter the dot")
    ours = Event(NOW + 3, Kind.FAILED, "b@dest.example", Stage.LOCAL, Reply(554, "5.6.3", "8-bit content"), "mx1")
    settle(spool, got, done(), events=(lost, event(Kind.DELIVERED, NOW + 4), ours))
    lines = spool.history(one.queue_id)
    assert [line.text for line in lines] == [
        "accepted: from <a@host.example>, 1 recipient, 22 octets",
        "deferred: mx1 said 450 4.7.1 greylisted at rcpt; next try in 6m",
        "in doubt: mx1 at dot; connection lost after the dot",
        "failed: mx1: 554 5.6.3 8-bit content at local",
        "delivered: mx1.dest.example said 250 2.0.0 ok at dot",
    ]
    assert [line.at for line in lines] == [NOW, NOW + 1, NOW + 3, NOW + 3, NOW + 4]
    assert {line.client for line in lines} == {"host.example"} and {line.queue_id for line in lines} == {one.queue_id}
    assert [line.rcptto for line in lines] == ["", *["b@dest.example"] * 4]


def test_the_history_begins_with_who_handed_it_in_and_what_it_asks_for(spool: Any) -> None:
    options = Options(deadline=1_000_000_000.0, supersede="otp-42", priority=Priority.URGENT, ret="HDRS")
    one = letter(options=options, submitter=Submitter("172.17.0.4", "web").packed())
    put(spool, one)
    assert [line.text for line in spool.history(one.queue_id)] == [
        "accepted: from <a@host.example>, 1 recipient, 22 octets, by web 172.17.0.4, "
        "until 2001-09-09 01:46:40 UTC, urgent, key otp-42, RET=HDRS"
    ]


def test_the_history_says_when_mailman_took_it(spool: Any) -> None:
    one, two = letter(taken_at=NOW - 90, waited=83.4), letter(taken_at=NOW, waited=0.04)
    put(spool, one, two)
    [first], [second] = spool.history(one.queue_id), spool.history(two.queue_id)
    assert first.text.endswith(f", 22 octets; taken by mailman at {utc(NOW - 90)}; waited 83 s there")
    assert second.text.endswith(f"; taken by mailman at {utc(NOW)}; waited 0.0 s there")


def moved(folder: Path, days: int) -> None:
    """Wait until the history lies in that many days' files, or fail."""
    deadline = time.monotonic() + 20
    while len(list(folder.glob("*.db"))) < days:
        assert time.monotonic() < deadline, f"only {list(folder.glob('*'))}"
        time.sleep(0.05)


def test_a_history_over_days(opened: Callable[[], Any], clock: Clock, tmp_path: Path) -> None:
    """Each day has its file; a message's story is read across them, once each, before and after the move."""
    spool = opened()
    one = letter()
    numbers = put(spool, one)
    wanted = [Kind.ACCEPTED]
    for day in range(1, 4):
        clock.now = NOW + day * DAY
        [got] = claim(spool, numbers, now=clock.now)
        settle(spool, got, deferred(due=clock.now + 1), events=(event(Kind.DEFERRED, clock.now),))
        wanted.append(Kind.DEFERRED)
        assert [line.kind for line in spool.history(one.queue_id)] == wanted
        moved(tmp_path / "spool.db.history", day + 1)
        assert [line.kind for line in spool.history(one.queue_id)] == wanted
    names = sorted(file.name for file in (tmp_path / "spool.db.history").glob("*.db"))
    assert names == [f"2026-11-{day}.db" for day in (18, 19, 20, 21)]


def test_history_is_told_for_thirty_days(opened: Callable[[], Any], clock: Clock, tmp_path: Path) -> None:
    """What happened before is told no more, also while its file is still there; what happened since is."""
    spool = opened()
    old, young = letter(), letter()
    put(spool, old)
    moved(tmp_path / "spool.db.history", 1)
    clock.now = NOW + 32 * DAY
    put(spool, young)
    moved(tmp_path / "spool.db.history", 2)
    assert spool.history(old.queue_id) == []
    assert [line.kind for line in spool.history(young.queue_id)] == [Kind.ACCEPTED]


def test_histories_of_others_stay_apart(spool: Any) -> None:
    """Also where they were written in one transaction."""
    letters = [letter() for _ in range(10)]
    put(spool, *letters)
    for one in letters:
        assert [line.queue_id for line in spool.history(one.queue_id)] == [one.queue_id]
