"""Addresses that get no mail: written with the outcome that led to them, found by whoever claims, kept for a time."""

from collections.abc import Callable
from typing import Any

import pytest
from spool_parts import NOW, Clock, claim, deferred, done, letter, put, settle

from hedwig.spool.desk import SqliteDesk
from hedwig.spool.stops import FOREVER
from hedwig.spool.suppressed import Suppression, folded


def gone(address: str = "b@dest.example", until: float = NOW + 1000, who: str = "rule bad-mailbox") -> Suppression:
    return Suppression(address, NOW, until, who, "550 5.1.1 no such user")


def marks(spool: Any, *to: str, now: float = NOW) -> list[Suppression | None]:
    """Of the recipients of a new letter, as its claims have them."""
    return [each.suppressed for one in claim(spool, put(spool, letter(*to)), now=now) for each in one.recipients]


def test_what_a_receiver_says_is_written_with_the_outcome_and_found_by_the_next_claim(spool: Any) -> None:
    [first] = claim(spool, put(spool, letter()))
    assert [each.suppressed for each in first.recipients] == [None]
    settle(spool, first, done(reply="550 5.1.1 no such user"), suppress=(gone(),))
    assert marks(spool) == [gone()]


def test_a_claim_that_is_lost_suppresses_nothing(spool: Any) -> None:
    [first] = claim(spool, put(spool, letter()))
    settle(spool, first)
    assert not settle(spool, first, done(), suppress=(gone(),)).held_token
    assert marks(spool) == [None]


def test_each_recipient_by_itself_and_whatever_the_case(spool: Any, desk: SqliteDesk) -> None:
    desk.suppress([gone("b@dest.example"), gone("x@xn--fiq228c.example")])
    assert marks(spool, "a@dest.example", "B@DEST.example") == [None, gone()]
    assert marks(spool, "x@中文.example") == [gone("x@xn--fiq228c.example")]
    assert marks(spool, "b@other.example") == [None]


def test_it_is_over_in_time(spool: Any, desk: SqliteDesk) -> None:
    desk.suppress([gone(until=NOW + 1000)])
    assert marks(spool, now=NOW + 999) == [gone()]
    assert marks(spool, now=NOW + 1000) == [None]


def test_said_again_it_is_longer_and_never_shorter_nor_instead_of_an_operator(spool: Any, desk: SqliteDesk) -> None:
    def said(until: float) -> None:
        [one] = claim(spool, put(spool, letter("c@dest.example")))
        settle(spool, one, done(), suppress=(gone(until=until),))

    said(NOW + 1000)
    said(NOW + 500)
    assert marks(spool) == [gone(until=NOW + 1000)]
    said(NOW + 2000)
    assert marks(spool) == [gone(until=NOW + 2000)]
    ordered = gone(until=FOREVER, who="jia")
    desk.suppress([ordered])
    said(NOW + 9000)
    assert marks(spool) == [ordered]


def test_the_list(spool: Any, desk: SqliteDesk, clock: Clock) -> None:
    assert desk.suppressed("", "", 10) == []
    names = ["a@x.example", "b@y.example", "c@x.example", "d@x.example"]
    desk.suppress([gone(name, until=NOW + 10 * (number + 1)) for number, name in enumerate(names)])
    assert [each.address for each in desk.suppressed("", "", 10)] == names
    assert [each.address for each in desk.suppressed("@x.", "", 2)] == ["a@x.example", "c@x.example"]
    assert [each.address for each in desk.suppressed("@x.", "c@x.example", 2)] == ["d@x.example"]
    clock.now = NOW + 25
    assert [each.address for each in desk.suppressed("", "", 10)] == names[2:]


def test_an_address_has_mail_again(spool: Any, desk: SqliteDesk) -> None:
    desk.suppress([gone()])
    assert desk.unsuppress(["b@dest.example", "nobody@dest.example"]) == ["b@dest.example"]
    assert marks(spool) == [None]


def test_what_is_over_is_forgotten_by_the_way(
    opened: Callable[[], Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedwig.spool.writer.CHORES_EVERY", 0.05)
    spool = opened()
    [one] = claim(spool, put(spool, letter()))
    settle(spool, one, done(), suppress=tuple(gone(f"u{number}@x.example") for number in range(1500)))
    clock.now = NOW + 2000
    spool.read(lambda db: db.execute("SELECT count(*) FROM suppressions").fetchone())

    def rows() -> int:
        put(spool, letter())
        count: int = spool.read(lambda db: db.execute("SELECT count(*) FROM suppressions").fetchone()[0])
        return count

    for _ in range(200):
        if not rows():
            return
    raise AssertionError(f"{rows()} are left")


def test_since_when_a_fault_of_ours_keeps_a_recipient(spool: Any) -> None:
    """Kept while it is deferred for the same, and gone with another outcome."""
    deliveries = put(spool, letter())

    def since(*results: Any, now: float) -> float:
        [one] = claim(spool, deliveries, now=now)
        settle(spool, one, *results)
        [again] = claim(spool, deliveries, now=now + 1000)
        settle(spool, again)
        found: float = again.recipients[0].fault_since
        return found

    assert since(deferred(due=NOW + 10, fault_since=NOW), now=NOW) == NOW
    assert since(deferred(due=NOW + 20, fault_since=NOW), now=NOW + 10) == NOW
    assert since(deferred(due=NOW + 30), now=NOW + 20) == 0.0


def test_local_parts_are_compared_without_case() -> None:
    assert folded("Some.One@Example.COM", "example.com") == "some.one@example.com"
    assert folded('"a b"@example.com', "example.com") == '"a b"@example.com'
    assert folded("ÄÖ@example.com", "example.com") == "äö@example.com"
