"""The spool's contract: a newer message takes the place of an older one with the same key, and of no other."""

import time
from typing import Any

import pytest
from spool_parts import (
    DAY,
    NOW,
    Clock,
    Pieces,
    claim,
    deferred,
    deliver,
    done,
    event,
    held,
    letter,
    numbers,
    put,
    settle,
    states,
    waiting_ids,
)

from hedwig import queueid
from hedwig.options import Options
from hedwig.spool import POSTOFFICE, Kind, NewMessage, Outcome, Registered, State, Superseded


def keyed(*to: str, at: float = NOW, key: str = "otp", **other: Any) -> NewMessage:
    """A letter with a key, accepted at that time."""
    return letter(*to, accepted_at=at, options=Options(supersede=key), **other)


def register(spool: Any, *letters: NewMessage) -> list[Registered]:
    answers: list[Registered] = spool.register(letters).result(30)
    return answers


def kinds(spool: Any, one: NewMessage) -> list[Kind]:
    return [line.kind for line in spool.history(one.queue_id)]


def test_a_newer_one_takes_the_place_of_an_older_one(spool: Any) -> None:
    """The older one ends: its body is freed, no report is made, its history names the successor, the answer tells."""
    old, new = keyed(content=b"old" * 100), keyed(at=NOW + 1)
    put(spool, old)
    [answer] = register(spool, new)
    assert answer.superseded == (Superseded(old.queue_id, "b@dest.example", new.queue_id),)
    assert waiting_ids(spool) == [new.queue_id]
    assert spool.used() == new.body.size
    last = spool.history(old.queue_id)[-1]
    assert (last.kind, last.rcptto) == (Kind.SUPERSEDED, "b@dest.example")
    assert last.text == f"superseded: by {new.queue_id}, a newer message with the same key"
    [got] = claim(spool, numbers([answer]))
    assert got.queue_id == new.queue_id and settle(spool, got, done()).held_token
    assert waiting_ids(spool) == [] and spool.used() == 0


def test_clients_with_the_same_queue_id(spool: Any) -> None:
    """Queue IDs are each client's own: what ended is told to whom it belongs, also where both come in one call."""
    ones = [keyed(client=name) for name in ("one.example", "two.example")]
    put(spool, *ones)
    same = queueid.new(NOW)
    twins = [keyed(at=NOW + 1, client=name, queue_id=same) for name in ("one.example", "two.example")]
    answers = register(spool, *twins)
    assert [[gone.queue_id for gone in answer.superseded] for answer in answers] == [[one.queue_id] for one in ones]


def test_only_recipients_that_both_have(spool: Any) -> None:
    """Those of the older one alone go on, with their state and due; a domain of which none is left is gone."""
    old = keyed("a@x.example", "b@x.example", "c@y.example", "d@z.example")
    [x, *_] = put(spool, old)
    [got] = claim(spool, [x])
    settle(spool, got, deferred(0, NOW + 50), deferred(1, NOW + 90))
    put(spool, keyed("a@x.example", "c@y.example", "e@x.example", at=NOW + 1))
    assert states(spool, old.queue_id) == {
        "b@x.example": (State.DEFERRED, 1, NOW + 90),
        "d@z.example": (State.READY, 0, NOW),
    }
    assert spool.used() == 2 * old.body.size
    assert claim(spool, [x], now=NOW + 60) == [], "its due is that of the one that is left"
    [got] = claim(spool, [x], now=NOW + 90)
    assert [recipient.address for recipient in got.recipients] == ["b@x.example"]


def test_the_older_one_comes_later(spool: Any) -> None:
    """From a backlog: it is accepted, and ends at once; nothing of the newer one is touched."""
    new, old = keyed(at=NOW + 1), keyed()
    put(spool, new)
    [answer] = register(spool, old)
    assert (answer.outcome, answer.deliveries) == (Outcome.ACCEPTED, ())
    assert answer.superseded == (Superseded(old.queue_id, "b@dest.example", new.queue_id),)
    assert waiting_ids(spool) == [new.queue_id] and spool.used() == new.body.size
    assert kinds(spool, old) == [Kind.ACCEPTED, Kind.SUPERSEDED]
    assert new.queue_id in spool.history(old.queue_id)[-1].text
    assert register(spool, old)[0].outcome is Outcome.REPEATED


def test_the_older_one_comes_later_with_others_beside(spool: Any) -> None:
    """Its other recipients are sent to."""
    put(spool, keyed("a@x.example", at=NOW + 1))
    old = keyed("a@x.example", "b@x.example", "c@y.example")
    got = claim(spool, put(spool, old))
    assert [[one.address for one in each.recipients] for each in got] == [["b@x.example"], ["c@y.example"]]
    for each in got:
        assert settle(spool, each, done()).held_token
    assert len(waiting_ids(spool)) == 1
    put(spool, keyed("b@x.example", at=NOW + 2))
    assert len(waiting_ids(spool)) == 2


def test_the_newer_one_was_delivered_before_the_older_one_comes(spool: Any) -> None:
    """What has been replaced is not sent after what replaced it."""
    new, old = keyed(at=NOW + 1), keyed()
    deliver(spool, put(spool, new))
    assert put(spool, old) == []
    assert waiting_ids(spool) == [] and spool.used() == 0


def test_equal_times(spool: Any) -> None:
    """The greater queue ID is newer, whoever comes first."""
    low, high = keyed(queue_id="01" + "A" * 24), keyed(queue_id="01" + "B" * 24)
    put(spool, high)
    assert put(spool, low) == []
    last = keyed(queue_id="01" + "C" * 24)
    put(spool, last)
    assert waiting_ids(spool) == [last.queue_id]


@pytest.mark.parametrize(
    "other",
    [
        keyed(at=NOW + 1, client="other.example"),
        keyed(at=NOW + 1, key="otp2"),
        keyed("B@dest.example", at=NOW + 1),
        keyed("b@other.example", at=NOW + 1),
        letter(accepted_at=NOW + 1),
    ],
    ids=["client", "key", "local part", "domain", "no key"],
)
def test_strangers_live_side_by_side(spool: Any, other: NewMessage) -> None:
    """Another client, key or address, or no key at all: nothing is superseded."""
    one = keyed()
    assert len(put(spool, one, other)) == 2
    assert sorted(waiting_ids(spool)) == sorted([one.queue_id, other.queue_id])
    assert [answer.superseded for answer in register(spool, keyed("n@n.example"))] == [()]


def test_a_domain_is_the_same_in_any_case(spool: Any) -> None:
    put(spool, keyed("b@Dest.Example"))
    new = keyed("b@dest.EXAMPLE", at=NOW + 1)
    put(spool, new)
    assert waiting_ids(spool) == [new.queue_id]


def test_what_is_claimed_is_not_taken_away(spool: Any) -> None:
    """Once it was delivered it was delivered."""
    old, new = keyed(), keyed(at=NOW + 1)
    [got] = claim(spool, put(spool, old))
    [answer] = register(spool, new)
    assert answer.superseded == ()
    assert sorted(waiting_ids(spool)) == sorted([old.queue_id, new.queue_id])
    settled = settle(spool, got, done(), events=(event(Kind.DELIVERED),))
    assert settled.held_token and settled.superseded == ()
    assert waiting_ids(spool) == [new.queue_id]
    assert kinds(spool, old) == [Kind.ACCEPTED, Kind.DELIVERED]


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.parametrize("results", [(), (deferred(),), (held(),)], ids=["handed back", "deferred", "held"])
def test_what_was_claimed_is_not_tried_again(spool: Any, results: tuple[Any, ...], delivered: bool) -> None:
    """It ends when it comes back, though the newer one may be out of the spool by then."""
    old, new = keyed(), keyed(at=NOW + 1)
    [got] = claim(spool, put(spool, old))
    newer = put(spool, new)
    if delivered:
        deliver(spool, newer)
    settled = settle(spool, got, *results, events=(event(Kind.DEFERRED),))
    assert settled.superseded == (Superseded(old.queue_id, "b@dest.example", new.queue_id),)
    assert waiting_ids(spool) == ([] if delivered else [new.queue_id])
    assert spool.used() == (0 if delivered else new.body.size)
    assert kinds(spool, old) == [Kind.ACCEPTED, Kind.DEFERRED, Kind.SUPERSEDED]


def test_of_what_was_claimed_others_are_tried_again(spool: Any) -> None:
    """Recipients beside the superseded one: one delivered, one deferred."""
    old = keyed("a@x.example", "b@x.example", "c@x.example", "d@x.example")
    [number] = put(spool, old)
    [got] = claim(spool, [number])
    put(spool, keyed("a@x.example", "b@x.example", "d@x.example", at=NOW + 1))
    settled = settle(spool, got, deferred(0, NOW + 5), done(1), deferred(2, NOW + 60))
    assert {each.rcptto for each in settled.superseded} == {"a@x.example", "d@x.example"}
    assert states(spool, old.queue_id) == {"c@x.example": (State.DEFERRED, 1, NOW + 60)}
    [got] = claim(spool, [number], now=NOW + 60)
    assert [recipient.number for recipient in got.recipients] == [2]


def test_no_warning_is_sent_about_what_was_superseded(spool: Any) -> None:
    """A report of delay that came with the settlement is left out; one of failure is not."""
    for results, reports in (((deferred(),), 0), ((deferred(), done(1)), 1)):
        to = [f"r{number}.{reports}@dest.example" for number in range(len(results))]
        [got] = claim(spool, put(spool, keyed(*to)))
        put(spool, keyed(to[0], at=NOW + 1))
        report = letter("a@host.example", mailfrom="", origin=got.queue_id)
        assert len(settle(spool, got, *results, bounces=(report,), warned=True).bounces) == reports


@pytest.mark.parametrize("doubt", [False, True])
def test_the_claim_of_a_dead_worker(spool: Any, doubt: bool) -> None:
    """What it held is freed, and not tried again; what is in doubt says so first."""
    old, other, new = keyed(), keyed("c@dest.example"), keyed(at=NOW + 1)
    claim(spool, put(spool, old, other))
    put(spool, new)
    spool.free("host/1", lambda delivery, token: doubt, NOW, 60.0).result(10)
    assert sorted(waiting_ids(spool)) == sorted([other.queue_id, new.queue_id])
    before = Kind.IN_DOUBT if doubt else Kind.RETURNED
    assert kinds(spool, old) == [Kind.ACCEPTED, before, Kind.SUPERSEDED]
    assert kinds(spool, other) == [Kind.ACCEPTED, before]
    assert spool.used() == other.body.size + new.body.size


def test_what_is_held_is_superseded_too(spool: Any) -> None:
    """It must not go out later, by the operator's hand, after what replaced it."""
    old, new = keyed("a@x.example", "b@x.example"), keyed("a@x.example", at=NOW + 1)
    [got] = claim(spool, put(spool, old))
    settle(spool, got, held(0), held(1))
    put(spool, new)
    assert {rcptto: state for rcptto, (state, *_) in states(spool, old.queue_id).items()} == {"b@x.example": State.HELD}


def test_many_versions_in_one_call(spool: Any) -> None:
    """Only the newest is queued, wherever it stands in the call; each that ends names one that is newer."""
    before = keyed(at=NOW - 9)
    put(spool, before)
    versions = [keyed(at=NOW + at) for at in (2, 1, 5, 4, 3)]
    answers = register(spool, *versions, letter())
    assert [len(answer.deliveries) for answer in answers] == [0, 0, 1, 0, 0, 1]
    assert {one.queue_id for one in versions} & set(waiting_ids(spool)) == {versions[2].queue_id}
    assert before.queue_id not in waiting_ids(spool)
    assert Superseded(before.queue_id, "b@dest.example", versions[2].queue_id) in answers[2].superseded
    told = [each for answer in answers for each in answer.superseded]
    assert len(told) == 5 and len({each.queue_id for each in told}) == 5
    ages = {one.queue_id: one.accepted_at for one in [before, *versions]}
    assert all(ages[each.by] > ages[each.queue_id] for each in told)


def test_an_address_that_is_named_twice(spool: Any) -> None:
    """A message is not its own successor."""
    one = keyed("b@dest.example")
    object.__setattr__(one, "parts", {"dest.example": ("b@dest.example", "b@DEST.example")})
    [got] = claim(spool, put(spool, one))
    assert len(got.recipients) == 2


@pytest.mark.parametrize("large", ["older", "newer", "late"])
def test_large_messages(opened: Any, large: str) -> None:
    """Which one is written in steps makes no difference; of what was superseded nothing is left, after some chores."""
    spool = opened()
    old = keyed(body=Pieces(3 << 20) if large in ("older", "late") else None)
    new = keyed(at=NOW + 1, body=Pieces(3 << 20) if large == "newer" else None)
    for one in (new, old) if large == "late" else (old, new):
        put(spool, one)
    assert waiting_ids(spool) == [new.queue_id]
    [got] = claim(spool, [each.delivery for each in spool.due("dest.example", NOW, 9)], load_up_to=0)
    assert b"".join(spool.body(got.message)) == b"".join(new.body.pieces())
    spool.close()
    spool = opened()
    put(spool, letter(content=b""))  # the first write after opening starts the chores
    deadline = time.monotonic() + 20
    while spool.used() > new.body.size:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert spool.used() == new.body.size


def test_mailmans_own_spool_leaves_it_to_the_postoffice(spool: Any) -> None:
    """It would have to be decided again over there, where all messages of the client are."""
    for at in range(3):
        one = keyed(at=NOW + at)
        object.__setattr__(one, "parts", {POSTOFFICE: one.envelope.rcpttos})
        assert len(put(spool, one)) == 1
    assert len(waiting_ids(spool)) == 3


def test_how_long_the_newest_is_remembered(opened: Any, clock: Clock) -> None:
    """For an hour after it came, and as long as it waits; then an older one is as good as any."""
    delivered, waits = keyed("a@x.example", at=NOW), keyed("b@x.example", at=NOW, expires_at=NOW + 9 * DAY)
    spool = opened()
    first, _ = put(spool, delivered, waits)
    deliver(spool, [first])
    for hours, kept in ((0.9, [False, False]), (1.1, [True, False]), (30, [True, False])):
        spool.close()
        clock.now = NOW + hours * 3600
        spool = opened()
        put(spool, letter())  # the first write after opening does the chores before it or with it
        old = [keyed("a@x.example", at=NOW - hours), keyed("b@x.example", at=NOW - hours)]
        assert [bool(answer.deliveries) for answer in register(spool, *old)] == kept
        deliver(spool, [each.delivery for each in spool.due("x.example", NOW, 9) if each.delivery > 2])
