"""The spool's contract: what a dead owner leaves in doubt follows its client's policy (I5)."""

from typing import Any

import pytest
from spool_parts import NOW, claim, deferred, held, letter, put, settle, states

from hedwig.options import OnDoubt, Options
from hedwig.spool import Doubt, Kind, RecipientResult, State

TALK = (
    "* mx1.x.example[192.0.2.1]:25, TLSv1.3\n< 220 hi\n> EHLO robot.genee.cn\n< 250 DSN\n> MAIL FROM:<a@host.example>"
)
RETRY = (State.DEFERRED, 1, NOW + 305)
HELD = (State.HELD, 1, 0.0)


def with_policy(policy: OnDoubt, *to: str, **other: Any) -> Any:
    return letter(*(to or ("a@x.example", "b@x.example")), options=Options(on_doubt=policy), **other)


def free(spool: Any, found: bool | Doubt, now: float = NOW + 5) -> Any:
    return spool.free("host/1", lambda *_: found, now, 300.0).result(10)


def doubts_of(spool: Any, delivery: int, now: float) -> dict[str, int]:
    """Of a claim that may be taken now."""
    [got] = claim(spool, [delivery], now=now)
    return {each.address: each.doubts for each in got.recipients}


@pytest.mark.parametrize(
    ("policy", "state", "kinds"),
    [
        (OnDoubt.RETRY, RETRY, [Kind.IN_DOUBT]),
        (OnDoubt.HOLD, HELD, [Kind.IN_DOUBT, Kind.HELD]),
        (OnDoubt.RETRY_ONCE, RETRY, [Kind.IN_DOUBT]),
    ],
)
@pytest.mark.parametrize("found", [True, Doubt((0, 1), "")], ids=["mark", "record"])
def test_the_policy_decides(
    spool: Any, policy: OnDoubt, state: tuple[State, int, float], kinds: list[Kind], found: bool | Doubt
) -> None:
    """Whether the mark says only that there was a dot, or whom for."""
    one = with_policy(policy)
    [number] = put(spool, one)
    claim(spool, [number])
    [freed] = free(spool, found)
    assert states(spool, one.queue_id) == {"a@x.example": state, "b@x.example": state}
    assert [line.kind for line in spool.history(one.queue_id)][1:] == kinds * 2
    assert freed.kind is (Kind.HELD if state is HELD else Kind.IN_DOUBT)
    assert (freed.queue_id, freed.doubted) == (one.queue_id, ("a@x.example", "b@x.example"))
    assert freed.waiting.delivery == number


def test_a_second_doubt_is_held_where_one_is_allowed(spool: Any) -> None:
    """retry-once: the first one was counted, however it came about."""
    one = with_policy(OnDoubt.RETRY_ONCE, "a@x.example")
    [number] = put(spool, one)
    claim(spool, [number])
    free(spool, True)
    assert doubts_of(spool, number, NOW + 305) == {"a@x.example": 1}
    [freed] = free(spool, True, NOW + 310)
    assert freed.kind is Kind.HELD
    assert states(spool, one.queue_id) == {"a@x.example": (State.HELD, 2, 0.0)}
    assert claim(spool, [number], now=NOW + 10_000) == []


def test_a_settled_doubt_counts_like_a_freed_one(spool: Any) -> None:
    """The connection was lost in a worker that lives: its settlement says so, and the next doubt is the second."""
    one = with_policy(OnDoubt.RETRY_ONCE, "a@x.example")
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, deferred(0, NOW + 60, in_doubt=True))
    [again] = claim(spool, [number], now=NOW + 60)
    assert [each.doubts for each in again.recipients] == [1]
    [freed] = free(spool, True, NOW + 65)
    assert freed.kind is Kind.HELD


def test_who_got_nothing_is_handed_back(spool: Any) -> None:
    """The record says whom the message was handed over for: who was refused before, or comes with a later transaction,
    is not in doubt and goes on at once."""
    one = with_policy(OnDoubt.HOLD, *[f"{name}@x.example" for name in "abcd"])
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, deferred(3, NOW + 9000))
    claim(spool, [number])
    [freed] = free(spool, Doubt((1,), TALK))
    assert freed.doubted == ("b@x.example",)
    assert freed.kind is Kind.IN_DOUBT
    assert freed.waiting.due <= NOW
    assert states(spool, one.queue_id) == {
        "a@x.example": (State.READY, 0, NOW),
        "b@x.example": HELD,
        "c@x.example": (State.READY, 0, NOW),
        "d@x.example": (State.DEFERRED, 1, NOW + 9000),
    }
    [again] = claim(spool, [number], now=NOW + 6)
    assert [each.address for each in again.recipients] == ["a@x.example", "c@x.example"]


def test_the_conversation_is_in_the_history(spool: Any) -> None:
    """Once, line by line, for whoever must decide."""
    one = with_policy(OnDoubt.HOLD)
    [number] = put(spool, one)
    claim(spool, [number])
    free(spool, Doubt((0, 1), TALK))
    told = [line.text for line in spool.history(one.queue_id) if "EHLO" in line.text]
    assert told == [f"in doubt: {TALK}"]


def test_a_hostile_conversation_stays_in_its_lines(spool: Any) -> None:
    """I11: each line of it begins with our sign, whatever the far side said."""
    one = with_policy(OnDoubt.HOLD)
    [number] = put(spool, one)
    claim(spool, [number])
    free(spool, Doubt((0, 1), "< 250 ok\r2026-11-24 delivered\x1b[31m\n> DATA"))
    [told] = [line.text for line in spool.history(one.queue_id) if "DATA" in line.text]
    assert told == "in doubt: < 250 ok 2026-11-24 delivered [31m\n> DATA"


def test_what_was_held_before_stays_as_it_was(spool: Any) -> None:
    """A recipient that is held is in no claim, so it can't be in doubt."""
    one = with_policy(OnDoubt.RETRY)
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, held(0))
    claim(spool, [number])
    [freed] = free(spool, True)
    assert freed.doubted == ("b@x.example",)
    assert states(spool, one.queue_id) == {"a@x.example": HELD, "b@x.example": RETRY}


def test_a_held_doubt_does_not_expire(spool: Any) -> None:
    """It waits for the operator: no bounce may say that it did not arrive."""
    one = with_policy(OnDoubt.HOLD, expires_at=NOW + 100)
    [number] = put(spool, one)
    claim(spool, [number])
    free(spool, True)
    assert spool.expired(NOW + 1000, 10) == []
    assert claim(spool, [number], now=NOW + 1000) == []


def test_an_expired_claim_in_doubt_counts_all_it_claimed(spool: Any) -> None:
    """Past its expiry a claim takes all recipients that wait, due or not: so all are in question."""
    one = with_policy(OnDoubt.RETRY, expires_at=NOW + 100)
    [number] = put(spool, one)
    [got] = claim(spool, [number])
    settle(spool, got, deferred(0, NOW + 5000), RecipientResult(1, State.DEFERRED, "450", NOW + 6000))
    claim(spool, [number], now=NOW + 200)
    [freed] = free(spool, True, NOW + 205)
    assert freed.doubted == ("a@x.example", "b@x.example")
