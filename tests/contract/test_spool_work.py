"""The spool's contract: preview, claims and settlements (I4, I7, I12)."""

from collections.abc import Callable
from typing import Any

import pytest
from spool_parts import (
    DAY,
    NOW,
    Pieces,
    child,
    claim,
    deferred,
    deliver,
    done,
    event,
    held,
    letter,
    put,
    settle,
    states,
    waiting_ids,
)

from hedwig.spool import Kind, Outcome, RecipientResult, Settlement, State
from hedwig.spool.claim import SIBLINGS


def test_a_claim_says_all_that_a_delivery_needs(spool: Any) -> None:
    """Envelope, times, body; nothing has to be read later."""
    one = letter(
        "b@x.example", "c@x.example", mailfrom="s@h.example", smtputf8=True, origin="ORIGIN", content=b"hi\r\n"
    )
    [number] = put(spool, one)
    [got] = claim(spool, [number], "host/7")
    assert (got.delivery, got.queue_id, got.client, got.mailfrom) == (
        number,
        one.queue_id,
        "host.example",
        "s@h.example",
    )
    assert (got.destination, got.size, got.smtputf8, got.origin) == ("x.example", 4, True, "ORIGIN")
    assert (got.accepted_at, got.expires_at, got.warned, got.content) == (NOW, NOW + 5 * DAY, False, b"hi\r\n")
    assert [(r.number, r.address, r.tries, r.due, r.last_reply) for r in got.recipients] == [
        (0, "b@x.example", 0, 0.0, ""),
        (1, "c@x.example", 0, 0.0, ""),
    ]
    assert 0 <= got.token < 1 << 63


def test_a_body_above_load_up_to_is_left_to_be_asked_for(spool: Any) -> None:
    """`content` is None above the claimer's bound, and there below it, also past 1 MiB."""
    numbers = put(spool, letter(content=b"x" * 100), letter(content=b"y" * 101), letter(body=Pieces(3 << 20)))
    small, large, _ = claim(spool, numbers, load_up_to=100)
    assert small.content == b"x" * 100 and large.content is None
    assert b"".join(spool.body(large.message)) == b"y" * 101
    [big] = claim(spool, put(spool, letter(body=Pieces(3 << 20))), load_up_to=4 << 20)
    assert big.content == b"".join(Pieces(3 << 20).pieces())


def test_claims_come_in_the_order_asked_and_once(spool: Any) -> None:
    """A hint that is doubled does no harm (I2)."""
    numbers = put(spool, *[letter() for _ in range(4)])
    wanted = [numbers[2], numbers[0], numbers[2], 999_999, numbers[3]]
    assert [one.delivery for one in claim(spool, wanted)] == [numbers[2], numbers[0], numbers[3]]
    assert claim(spool, wanted) == []


def test_processes_never_get_the_same(opened: Callable[[], Any], tmp_path: Any) -> None:
    """Three processes race for 300 deliveries: each goes to exactly one (I12)."""
    spool = opened()
    numbers = put(spool, *[letter() for _ in range(300)])
    racers = [child("claim_all", tmp_path / "spool.db", f"host/{index}", numbers[0], numbers[-1]) for index in range(3)]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    got = [int(line) for racer in racers for line in racer.communicate("go\n", timeout=60)[0].split()]
    assert sorted(got) == numbers
    assert len(spool.owners()) >= 1 and set(spool.owners()) <= {"host/0", "host/1", "host/2"}


def test_what_is_not_due_is_not_given(spool: Any) -> None:
    """Preview and claim agree: neither the deferred, the held, the claimed nor the gone."""
    numbers = put(spool, *[letter() for _ in range(5)])
    later, hold, gone, mine, free = claim(spool, numbers)
    settle(spool, later, deferred(due=NOW + 10))
    settle(spool, hold, held())
    settle(spool, gone, done())
    settle(spool, free)
    assert [(one.delivery, one.destination, one.size) for one in spool.preview(numbers, NOW + 9)] == [
        (free.delivery, "dest.example", free.size)
    ]
    assert [one.delivery for one in claim(spool, numbers, now=NOW + 9)] == [free.delivery]
    assert [one.delivery for one in spool.preview([*numbers, *numbers], NOW + 10)] == [later.delivery]
    assert [one.delivery for one in claim(spool, numbers, now=NOW + 10)] == [later.delivery]
    assert mine.delivery in numbers


def test_past_its_expiry_a_delivery_is_due(spool: Any) -> None:
    """Whatever its next try: it must end in time. Held ones wait for the operator all the same."""
    numbers = put(spool, letter(expires_at=NOW + 100), letter(expires_at=NOW + 100))
    wait, hold = claim(spool, numbers)
    settle(spool, wait, deferred(due=NOW + 5000))
    settle(spool, hold, held())
    assert spool.expired(NOW + 99, 10) == [] and spool.preview(numbers, NOW + 99) == []
    assert [one.delivery for one in spool.expired(NOW + 100, 10)] == [wait.delivery]
    assert [one.delivery for one in spool.preview(numbers, NOW + 100)] == [wait.delivery]
    [got] = claim(spool, numbers, now=NOW + 100)
    assert [one.number for one in got.recipients] == [0]
    assert spool.expired(NOW + 100, 10) == []


def test_outcomes_are_per_recipient(spool: Any) -> None:
    """Delivered, deferred, held and untried in one settlement; the delivered one never comes back (I4)."""
    one = letter(*[f"{name}@x.example" for name in "abcd"])
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, done(0), deferred(1, NOW + 50), held(2))
    assert states(spool, one.queue_id) == {
        "b@x.example": (State.DEFERRED, 1, NOW + 50),
        "c@x.example": (State.HELD, 1, 0.0),
        "d@x.example": (State.READY, 0, NOW),
    }
    [again] = claim(spool, [number])
    assert [recipient.address for recipient in again.recipients] == ["d@x.example"]
    settle(spool, again, done(3))
    assert claim(spool, [number], now=NOW + 49) == []
    [third] = claim(spool, [number], now=NOW + 50)
    assert [(r.address, r.tries, r.last_reply) for r in third.recipients] == [
        ("b@x.example", 1, "450 4.7.1 greylisted")
    ]
    settle(spool, third, done(1))
    assert claim(spool, [number], now=NOW + 99 * DAY) == [], "only the held one is left"
    assert spool.used() == one.body.size
    assert list(states(spool, one.queue_id)) == ["c@x.example"]


def test_with_the_last_recipient_goes_everything(spool: Any) -> None:
    """Message, deliveries, recipients and body; a later letter is not touched."""
    first, second, rest = letter("a@x.example", "b@y.example"), letter("c@z.example"), letter()
    numbers = put(spool, first, second, rest)
    deliver(spool, numbers[:3])
    assert waiting_ids(spool) == [rest.queue_id] and spool.used() == rest.body.size
    assert spool.preview(numbers, NOW) == spool.preview(numbers[3:], NOW)


def test_both_deliveries_of_a_message_end_in_one_call(spool: Any) -> None:
    """The message goes once, whoever counts."""
    got = claim(spool, put(spool, letter("a@x.example", "b@y.example")))
    answers = spool.settle([Settlement(one.delivery, one.token, (done(),)) for one in got]).result(10)
    assert all(answer.held_token for answer in answers)
    assert waiting_ids(spool) == [] and spool.used() == 0


def test_a_try_that_does_not_count(spool: Any) -> None:
    """`counted` False leaves `tries` as it was."""
    one = letter()
    [got] = claim(spool, put(spool, one))
    settle(spool, got, deferred(0, NOW + 5, counted=False))
    assert states(spool, one.queue_id) == {"b@dest.example": (State.DEFERRED, 0, NOW + 5)}


@pytest.mark.parametrize("before", [None, NOW - 5.0])
def test_handing_back_changes_nothing(spool: Any, before: float | None) -> None:
    """A settlement without results: state, due, tries and reply are as before the claim (I10)."""
    one = letter()
    numbers = put(spool, one)
    if before is not None:
        [got] = claim(spool, numbers)
        settle(spool, got, deferred(due=before))
    was = spool.queued(one.queue_id)
    [got] = claim(spool, numbers)
    assert spool.queued(one.queue_id)[0][0].state is State.ACTIVE
    assert settle(spool, got).held_token
    assert spool.queued(one.queue_id) == was
    assert len(claim(spool, numbers)) == 1


def test_a_strange_token_writes_nothing(spool: Any) -> None:
    """Neither outcome, event nor bounce (I12); what stands beside it in the call is written."""
    one, other = letter(), letter()
    first, second = claim(spool, put(spool, one, other))
    bounce = letter(mailfrom="", origin=one.queue_id)
    wrong = Settlement(first.delivery, first.token ^ 1, (done(),), (event(Kind.DELIVERED),), (bounce,))
    right = Settlement(second.delivery, second.token, (done(),))
    answers = spool.settle([wrong, right, right]).result(10)
    assert [answer.held_token for answer in answers] == [False, True, False]
    assert answers[0].bounces == ()
    assert waiting_ids(spool) == [one.queue_id]
    assert [line.kind for line in spool.history(one.queue_id)] == [Kind.ACCEPTED]
    assert settle(spool, first, done()).held_token


def test_a_token_is_good_for_one_claim(spool: Any) -> None:
    """The claim before is over, though the same owner has claimed again."""
    [number] = put(spool, letter())
    [first] = claim(spool, [number])
    settle(spool, first)
    [second] = claim(spool, [number])
    assert first.token != second.token
    assert not settle(spool, first, done()).held_token
    assert settle(spool, second, done()).held_token


def test_an_outcome_for_a_recipient_that_has_one(spool: Any) -> None:
    """Is a mistake of the caller's: an error, and nothing of it is written."""
    one = letter("a@x.example", "b@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, done(0))
    [got] = claim(spool, [number])
    for result in (done(0), done(7), RecipientResult(1, State.ACTIVE, "")):
        with pytest.raises(ValueError, match="recipient"):
            settle(spool, got, result)
    assert settle(spool, got, done(1)).held_token
    assert waiting_ids(spool) == []


def test_bounces_come_with_the_settlement(spool: Any) -> None:
    """The report is queued in the same transaction, tells its deliveries, and both histories know (I7)."""
    one = letter()
    [got] = claim(spool, put(spool, one))
    bounce = letter("a@host.example", mailfrom="", origin=one.queue_id, priority=0)
    answer = settle(spool, got, done(0, "550 5.1.1 no such user"), events=(event(Kind.FAILED),), bounces=(bounce,))
    [waiting] = answer.bounces
    assert (waiting.destination, waiting.priority) == ("host.example", 0)
    assert waiting_ids(spool) == [bounce.queue_id]
    [report] = claim(spool, [waiting.delivery])
    assert (report.mailfrom, report.origin) == ("", one.queue_id)
    kinds = [line.kind for line in spool.history(one.queue_id)]
    assert kinds == [Kind.ACCEPTED, Kind.FAILED, Kind.BOUNCED]
    assert bounce.queue_id in spool.history(one.queue_id)[2].text
    assert [line.kind for line in spool.history(bounce.queue_id)] == [Kind.ACCEPTED]
    assert spool.register([bounce]).result(10)[0].outcome is Outcome.REPEATED


def test_warned_stays(spool: Any) -> None:
    """The delay warning is sent once a delivery."""
    [number] = put(spool, letter())
    [got] = claim(spool, [number])
    settle(spool, got, deferred(due=NOW), warned=True)
    [got] = claim(spool, [number])
    assert got.warned
    settle(spool, got, deferred(due=NOW))
    assert claim(spool, [number])[0].warned


def test_a_late_reader_of_the_body(spool: Any) -> None:
    """Reading a body leaves no transaction open: what is written between two pieces is no trouble."""
    [got] = claim(spool, put(spool, letter(body=Pieces(4 << 20))))
    pieces = iter(spool.body(got.message))
    read = [next(pieces)]
    put(spool, letter())
    read += list(pieces)
    assert b"".join(read) == b"".join(Pieces(4 << 20).pieces())


def test_two_workers_that_have_one_hint_each_of_a_message_claim_it_whole_or_not_at_all(spool: Any) -> None:
    """So that a message to two domains of one receiver goes in one transaction, whichever hint came where."""
    first, second, other = [*put(spool, letter("a@one.example", "b@two.example")), *put(spool, letter())]
    seen = [
        {preview.delivery: preview.hinted for preview in spool.preview(hints, NOW)}
        for hints in ([first], [second], [second, first], [second, other])
    ]
    assert seen == [
        {first: True, second: False},
        {second: True, first: False},
        {second: True, first: True},
        {second: True, other: True, first: False},
    ]
    assert [each.delivery for each in claim(spool, [second, first], "host/1")] == [second, first]
    assert claim(spool, [first, second], "host/2") == []


def test_a_message_to_very_many_domains_is_looked_at_in_part(spool: Any) -> None:
    """Each hint finds those near it, once."""
    deliveries = put(spool, letter(*(f"a@d{number}.example" for number in range(100))))
    near = [preview.delivery for preview in spool.preview([deliveries[50], deliveries[51]], NOW)]
    assert sorted(near) == deliveries[50 - SIBLINGS : 51 + SIBLINGS + 1]
