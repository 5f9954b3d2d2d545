"""The spool's contract: what counts for quotas is written with the letter, once, and is forgotten a day later."""

from dataclasses import replace
from typing import Any

from spool_parts import NOW, Clock, Pieces, letter

from hedwig.quota import KEPT, SLOT, slot_of
from hedwig.spool import Outcome


def test_what_is_accepted_is_counted_once(spool: Any) -> None:
    """By host and container, all of a batch together; a repeat, a conflict and what nobody counts add nothing."""
    both = replace(letter("a@x.example", "b@y.example"), charges=("", "web"))
    host = replace(letter("a@x.example"), charges=("",))
    spool.register([both, host, letter("a@x.example")]).result(10)
    again, other = spool.register([both, replace(host, digest=b"other")]).result(10)
    assert (again.outcome, other.outcome) == (Outcome.REPEATED, Outcome.CONFLICT)
    slot = slot_of(NOW)
    assert sorted(spool.sent(NOW)) == [(slot, both.client, "", 2, 3), (slot, both.client, "web", 1, 2)]
    large = replace(letter("a@x.example", body=Pieces(2 << 20)), charges=("",))
    spool.register([large]).result(10)
    assert (slot, both.client, "", 3, 4) in spool.sent(NOW)


def test_what_was_accepted_before_is_known(spool: Any) -> None:
    one = letter("a@x.example")
    assert spool.seen(one.client, [one.queue_id]) == {}
    spool.register([one]).result(10)
    assert spool.seen(one.client, ["another", one.queue_id]) == {one.queue_id: one.digest}
    assert spool.seen("other.example", [one.queue_id]) == {}


def test_it_counts_for_a_day(spool: Any, clock: Clock) -> None:
    spool.register([replace(letter("a@x.example"), charges=("",))]).result(10)
    assert spool.sent(NOW + KEPT - SLOT)
    assert spool.sent(NOW + KEPT + SLOT) == []
