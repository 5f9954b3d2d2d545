"""The spool's contract: reports are limited by sender and hour, and the others become one digest; none is lost (I7)."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, Clock, claim, done, letter, put, settle

from hedwig import queueid
from hedwig.dsn import Action
from hedwig.dsn.digest import LISTED, Count
from hedwig.envelope import Envelope, digest
from hedwig.spool import Bytes, Event, Kind, NewMessage, Report, Settled, State
from hedwig.spool.digests import Flood, send_digests

HOUR = 3600.0
START = NOW - NOW % HOUR  # of an hour of the clock
SENDER = "a@host.example"


def report(origin: str, to: str = SENDER, action: Action = Action.FAILED, most: int = 2, **other: Any) -> Report:
    """A bounce about the message `origin`; `rcpttos` are those that it tells of."""
    envelope, content = Envelope("", (to,)), b"Subject: bounce\r\n\r\nno\r\n"
    rcpttos = other.get("rcpttos", ("b@dest.example",))
    return Report(
        queue_id=queueid.new(NOW),
        client=other.get("client", "host.example"),
        envelope=envelope,
        body=Bytes(content),
        digest=digest(envelope, [content]),
        accepted_at=NOW,
        expires_at=NOW + 5 * 86400,
        parts=envelope.by_destination(),
        origin=origin,
        action=action.value,
        about=tuple((rcptto, "mx1.dest.example: 550 5.1.1 no such user") for rcptto in rcpttos),
        most=most,
    )


def fail(spool: Any, *, many: int = 1, **details: Any) -> list[tuple[str, Settled]]:
    """So many messages fail; queue ID and answer of each."""
    letters = [letter() for _ in range(many)]
    ended = []
    for one, got in zip(letters, claim(spool, put(spool, *letters)), strict=True):
        told = report(one.queue_id, **details)
        events = (Event(START, Kind.FAILED, "b@dest.example"),)
        ended.append((one.queue_id, settle(spool, got, done(0, "550 no"), events=events, bounces=(told,))))
    return ended


class Post:
    """Composes digests, and keeps what they were made of."""

    def __init__(self) -> None:
        self.floods: list[Flood] = []

    def __call__(self, flood: Flood, now: float) -> NewMessage:
        self.floods.append(flood)
        envelope, content = Envelope("", (flood.sender,)), b"Subject: digest\r\n\r\nmany\r\n"
        return NewMessage(
            queueid.new(now),
            flood.client,
            envelope,
            Bytes(content),
            digest(envelope, [content]),
            now,
            now + 5 * 86400,
            envelope.by_destination(),
        )


def send(spool: Any, now: float, post: Callable[[Flood, float], NewMessage | None]) -> Any:
    return send_digests(spool, post, now).result(10)


def queued_to(spool: Any, address: str) -> int:
    return sum(recipient.rcptto == address for recipient in spool.queued()[0])


def test_the_first_go_out_one_by_one_and_the_others_are_counted(spool: Any, clock: Clock) -> None:
    """In the same transaction as the outcome; the answer, and the history of each, say which way it went."""
    clock.now = START + 60
    answers = fail(spool, many=5)
    assert [bool(answer.bounces) for _, answer in answers] == [True, True, False, False, False]
    assert [len(answer.digested) for _, answer in answers] == [0, 0, 1, 1, 1]
    assert queued_to(spool, SENDER) == 2
    first, last = (spool.history(queue_id)[-1] for queue_id in (answers[0][0], answers[4][0]))
    assert (first.kind, last.kind) == (Kind.BOUNCED, Kind.BOUNCED)
    assert "failed report" in first.text
    assert "told in a digest within 60m" in last.text


def test_one_digest_tells_of_the_others_when_the_hour_is_over(spool: Any, clock: Clock) -> None:
    """Not before; whose, how many, which; once; and its deliveries are told, so that they are hinted."""
    clock.now = START + 60
    answers = fail(spool, many=5)
    post = Post()
    assert send(spool, START + HOUR - 1, post).digests == ()
    sent = send(spool, START + HOUR, post)
    (flood,) = post.floods
    assert (flood.client, flood.sender, flood.since, flood.alone) == ("host.example", SENDER, START, 2)
    assert flood.counts == (Count(Action.FAILED, 3, 3),)
    late = [queue_id for queue_id, _ in answers[2:]]
    assert [told.queue_id for told in flood.listed] == late
    assert {(told.rcptto, told.reason) for told in flood.listed} == {
        ("b@dest.example", "mx1.dest.example: 550 5.1.1 no such user")
    }
    ((queue_id, to),) = sent.digests
    assert to == SENDER
    assert [waiting.destination for waiting in sent.deliveries] == ["host.example"]
    assert [spool.history(one)[-1].text for one in late] == [f"bounced: in digest {queue_id} to {SENDER}"] * 3
    assert send(spool, START + 9 * HOUR, post).digests == ()
    assert queued_to(spool, SENDER) == 3


def test_a_new_hour_a_new_count(spool: Any, clock: Clock) -> None:
    """Also before the old hour's digest went out."""
    clock.now = START + HOUR - 1
    assert [bool(answer.bounces) for _, answer in fail(spool, many=3)] == [True, True, False]
    clock.now = START + HOUR
    assert [bool(answer.bounces) for _, answer in fail(spool, many=3)] == [True, True, False]
    post = Post()
    assert len(send(spool, START + 2 * HOUR, post).digests) == 2
    assert [flood.since for flood in post.floods] == [START, START + HOUR]


def test_senders_and_kinds_are_counted_apart(spool: Any, clock: Clock) -> None:
    """Another's flood, another client's, or warnings of delay take nothing from anyone's bounces."""
    clock.now = START
    apart: list[dict[str, Any]] = [
        {},
        {"to": "x@host.example"},
        {"client": "other.example"},
        {"action": Action.DELAYED},
    ]
    for details in apart:
        assert [bool(answer.bounces) for _, answer in fail(spool, many=3, **details)] == [True, True, False]
    post = Post()
    assert len(send(spool, START + HOUR, post).digests) == 3
    both = next(flood for flood in post.floods if (flood.client, flood.sender) == ("host.example", SENDER))
    assert both.counts == (Count(Action.FAILED, 1, 1), Count(Action.DELAYED, 1, 1))


def test_no_bound_no_count(spool: Any) -> None:
    """most=0, and messages that are no reports (a renamed one that goes on): all go."""
    assert all(answer.bounces for _, answer in fail(spool, many=5, most=0))
    one = letter()
    [got] = claim(spool, put(spool, one))
    answer = settle(spool, got, done(0), bounces=tuple(letter(mailfrom="") for _ in range(5)))
    assert len(answer.bounces) == 5


def test_it_names_the_first_hundred_and_counts_all(spool: Any, clock: Clock) -> None:
    """Letters with many recipients, cut where the list is full."""
    clock.now = START
    rcpttos = tuple(f"u{number}@dest.example" for number in range(70))
    fail(spool, many=4, most=1, rcpttos=rcpttos)
    post = Post()
    send(spool, START + HOUR, post)
    (flood,) = post.floods
    assert flood.counts == (Count(Action.FAILED, 3, 210),)
    assert len(flood.listed) == LISTED
    assert [told.rcptto for told in flood.listed[:70]] == list(rcpttos)


def test_counts_survive_a_restart(opened: Callable[[], Any], clock: Clock) -> None:
    """Another process goes on counting, and sends the digest."""
    clock.now = START
    first = opened()
    fail(first, many=3)
    first.close()
    second = opened()
    assert [bool(answer.bounces) for _, answer in fail(second)] == [False]
    post = Post()
    send(second, START + HOUR, post)
    assert post.floods[0].counts == (Count(Action.FAILED, 2, 2),)


def test_a_settlement_that_fails_counts_nothing(spool: Any, clock: Clock) -> None:
    """Rolled back with the outcome that it is about: what is tried again is counted once."""
    clock.now = START
    one = letter()
    [got] = claim(spool, put(spool, one))
    with pytest.raises(ValueError, match="has its outcome"):
        settle(spool, got, done(0), done(7), bounces=(report(one.queue_id, most=1),))
    assert settle(spool, got, done(0), bounces=(report(one.queue_id, most=1),)).bounces


def test_exactly_one_sends_it(opened: Callable[[], Any], clock: Clock) -> None:
    """Eight processes' worth of upkeep at the same moment."""
    clock.now = START
    spools = [opened() for _ in range(8)]
    fail(spools[0], many=5)
    posts = [Post() for _ in spools]
    barrier = threading.Barrier(len(spools))
    sent = []

    def ask(number: int) -> None:
        barrier.wait()
        sent.extend(send(spools[number], START + HOUR, posts[number]).digests)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(spools))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 1
    assert queued_to(spools[0], SENDER) == 3


def test_a_clock_that_was_set_back_loses_none(spool: Any, clock: Clock) -> None:
    """Counts of an hour that the clock has not reached again are told at once."""
    clock.now = START + 10 * HOUR
    fail(spool, many=3)
    post = Post()
    assert len(send(spool, START, post).digests) == 1


def test_many_senders_are_told_in_lots(spool: Any, clock: Clock) -> None:
    """No transaction grows with their number; `more` says when to ask again; who has no digest is forgotten on the
    way."""
    clock.now = START
    for number in range(240):
        fail(spool, many=2 if number % 2 else 1, most=1, to=f"s{number}@host.example")
    post = Post()
    rounds = []
    while True:
        sent = send(spool, START + HOUR, post)
        rounds.append(len(sent.digests))
        if not sent.more:
            break
    assert sum(rounds) == 120
    assert len(rounds) > 1 and max(rounds) <= 110
    assert send(spool, START + HOUR, post).digests == ()


def test_long_digests_are_made_few_at_a_time(spool: Any, clock: Clock, tmp_path: Path) -> None:
    """A transaction holds about a thousand rows, whatever the senders were to be told of."""
    clock.now = START
    rcpttos = tuple(f"r{number}@dest.example" for number in range(LISTED))
    for number in range(25):
        fail(spool, many=2, most=1, to=f"s{number}@host.example", rcpttos=rcpttos)
    post, rounds, more = Post(), [], True
    db = sqlite3.connect(tmp_path / "spool.db")
    left = db.execute("SELECT count(*) FROM digested").fetchone()[0]
    assert left == 25 * LISTED
    while more:
        sent = send(spool, START + HOUR, post)
        rounds.append(len(sent.digests))
        more, before, left = sent.more, left, db.execute("SELECT count(*) FROM digested").fetchone()[0]
        assert 0 < before - left <= 1000
    db.close()
    assert sum(rounds) == 25 and left == 0
    assert {len(flood.listed) for flood in post.floods} == {LISTED}


def test_who_cannot_be_told_holds_up_nobody(spool: Any, clock: Clock) -> None:
    """The history of the letters says so, and the others get theirs."""
    clock.now = START
    [*_, (queue_id, _)] = fail(spool, many=3)
    fail(spool, many=3, to="x@host.example")
    post = Post()

    def picky(flood: Flood, now: float) -> NewMessage | None:
        return post(flood, now) if flood.sender != SENDER else None

    assert [to for _, to in send(spool, START + HOUR, picky).digests] == ["x@host.example"]
    assert spool.history(queue_id)[-1].text == f"bounced: {SENDER} could not be told"
    assert send(spool, START + HOUR, picky).digests == ()


def test_a_digest_is_a_message_like_any_other(spool: Any, clock: Clock) -> None:
    """It is claimed and delivered; nothing answers it, for its sender is null (I7)."""
    clock.now = START
    fail(spool, many=3)
    sent = send(spool, START + HOUR, Post())
    [got] = claim(spool, [waiting.delivery for waiting in sent.deliveries], now=START + HOUR)
    assert (got.mailfrom, got.recipients[0].address) == ("", SENDER)
    assert settle(spool, got, done(0)).held_token
    assert not [one for one in spool.queued()[0] if one.queue_id == got.queue_id and one.state is not State.DONE]
