"""Where the backlog lies, how it goes there, and what is wrong: `hedwig top`."""

from typing import Any

import pytest
from spool_parts import DAY, NOW, Clock, claim, deferred, deliver, done, event, held, letter, put, settle

from hedwig.spool import Kind, sites
from hedwig.spool.operate import Act, Filter, Order


def by_site(desk: Any, now: float = NOW, limit: int = 20) -> dict[str, Any]:
    return {row.site: row for row in desk.backlog(limit, now).sites}


def test_the_largest_first_with_all_that_is_theirs(spool: Any, desk: Any) -> None:
    """What waits, what is being sent and what is held count; sites past the limit count in the sums alone."""
    put(spool, *[letter(f"a{n}@a.example", accepted_at=NOW + n) for n in range(3)])
    b = put(spool, *[letter(f"b{n}@b.example") for n in range(5)])
    put(spool, letter("c@c.example"))
    got = claim(spool, b[:3])
    settle(spool, got[0], held())
    backlog = desk.backlog(2, NOW)
    assert [(row.site, row.waiting, row.active, row.held) for row in backlog.sites] == [
        ("b.example", 2, 2, 1),
        ("a.example", 3, 0, 0),
    ]
    assert (backlog.waiting, backlog.active, backlog.held) == (6, 2, 1)


@pytest.mark.parametrize("among", [1, 3, 100_000])
def test_the_oldest_that_waits(spool: Any, desk: Any, monkeypatch: pytest.MonkeyPatch, among: int) -> None:
    """Wherever it is found: among the oldest of all, or by its site. What is held or being sent does not wait."""
    monkeypatch.setattr(sites, "OLDEST_AMONG", among)
    letters = [letter(f"u{n}@{site}.example", accepted_at=NOW + n) for n, site in enumerate("aabbccaabbcc")]
    numbers = put(spool, *letters)
    claim(spool, numbers[2:3])
    desk.act(Order(Act.HOLD, "jia"), Filter(ids=(letters[4].queue_id, letters[5].queue_id)))
    oldest = {site: row.oldest - NOW for site, row in by_site(desk).items()}
    assert oldest == {"a.example": 0, "b.example": 3, "c.example": 10}
    desk.act(Order(Act.HOLD, "jia"), Filter(site="c.example"))
    assert by_site(desk)["c.example"].oldest == 0


def test_how_it_goes_lately(spool: Any, desk: Any, clock: Clock) -> None:
    """By the last five minutes' events, with the last error and its time; an older error is told without a time."""
    numbers = put(spool, *[letter(f"u{n}@a.example") for n in range(8)], letter("x@b.example"), letter("y@c.example"))
    late = NOW + DAY
    for one in claim(spool, numbers[8:9]):
        settle(spool, one, deferred(due=NOW + 5 * DAY), events=(event(Kind.DEFERRED, NOW, "x@b.example"),))
    clock.now = late
    for one in claim(spool, numbers[:2], now=late):
        settle(spool, one, deferred(due=late + 60), events=(event(Kind.DEFERRED, late - 10, "u@A.example"),))
    for one in claim(spool, numbers[2:7], now=late):
        settle(spool, one, done(), events=(event(Kind.DELIVERED, late - 5, "u@a.example"),))
    rows = by_site(desk, late)
    assert (rows["a.example"].delivered, rows["a.example"].deferred) == (1.0, 0.4), "a minute, of five"
    assert rows["a.example"].last_error_at == late - 10
    assert "mx1.dest.example said 250" in rows["a.example"].last_error
    assert (rows["b.example"].last_error, rows["b.example"].last_error_at) == ("450 4.7.1 greylisted", 0.0)
    assert (rows["c.example"].last_error, rows["c.example"].delivered) == ("", 0.0)
    assert desk.backlog(1, late).seconds == sites.LATELY


def test_a_letter_counts_once_for_each_domain(spool: Any, desk: Any) -> None:
    """However many recipients it has there, up to 500: what hedwig(1) says."""
    to_many = [f"a{n}@a.example" for n in range(500)], [f"b{n}@b.example" for n in range(501)]
    put(spool, letter(*to_many[0], *to_many[1], "c@c.example"))
    assert {site: row.waiting for site, row in by_site(desk).items()} == {
        "a.example": 1,
        "b.example": 2,
        "c.example": 1,
    }


def test_nothing(spool: Any, desk: Any) -> None:
    """Zero of everything, and no sites; also when all of it has gone."""
    assert desk.backlog(10, NOW) == (0, 0, 0, 0, 0, 0, 0.0, ())
    deliver(spool, put(spool, letter()))
    assert desk.backlog(10, NOW)[:3] == (0, 0, 0)


def test_only_the_newest_events_are_read(spool: Any, desk: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more has happened than is read, a shorter time is told of; from the day's file as from the spool."""
    monkeypatch.setattr(sites, "RECENT", 20)
    clock.now = NOW + 100
    numbers = put(spool, *[letter(f"u{n}@a.example") for n in range(50)])
    for position, one in enumerate(claim(spool, numbers)):
        settle(spool, one, done(), events=(event(Kind.DELIVERED, NOW + position, "u@a.example"),))
    for _ in range(2):
        backlog = desk.backlog(1, NOW + 50)
        assert (backlog.seconds, round(backlog.delivered)) == (20, 60)
        spool.close()  # the historian may not have moved all: what is left is read from the spool
