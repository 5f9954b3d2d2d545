"""The spool's contract: what senders hear of mail that the operator drops: doubt (I5), and the limit of reports."""

import email
import email.policy
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spool_parts import NOW, Clock, claim, letter, put, settle, waiting_ids

from hedwig.dsn.digest import HOUR
from hedwig.options import Notify, Options
from hedwig.spool import RecipientResult, State
from hedwig.spool.bounces import in_a_digest
from hedwig.spool.desk import open_desk
from hedwig.spool.digests import send_digests
from hedwig.spool.operate import Act, Filter, Order, Telling

START = NOW - NOW % HOUR


@pytest.fixture
def operator(spool: Any, tmp_path: Path, clock: Clock) -> Iterator[Any]:
    """The operator's side of the same spool."""
    opened = open_desk(str(tmp_path / "spool.db"), clock=clock)
    yield opened
    opened.close()


def drop(operator: Any, **telling: Any) -> Any:
    return operator.act(
        Order(Act.DROP, "jia", "because", telling=Telling("robot.genee.cn", 86400.0, **telling)), Filter()
    )


def bounces(spool: Any) -> list[email.message.EmailMessage]:
    """Those that are queued."""
    due = [waiting.delivery for waiting in spool.due("host.example", NOW, 1000)]
    letters = [email.message_from_bytes(got.content, policy=email.policy.SMTP) for got in claim(spool, due)]
    return [one for one in letters if isinstance(one, email.message.EmailMessage)]


def test_what_was_in_doubt_may_have_arrived(spool: Any, operator: Any) -> None:
    """Its sender reads so; of one that was never sent, not. ENVID and ORCPT come back (RFC 3461 §6.3)."""
    options = Options(envid="order 17", notify=(Notify("b@x.example", (), "rfc822;list@x.example"),))
    one = letter("b@x.example", "c@x.example", options=options)
    [got] = claim(spool, put(spool, one))
    results = (RecipientResult(0, State.HELD, "in doubt: lost", in_doubt=True), RecipientResult(1, State.HELD, "450"))
    settle(spool, got, *results)
    assert len(drop(operator).reports) == 1
    [bounce] = bounces(spool)
    text, status, _ = bounce.iter_parts()
    first, _, second = text.get_content().partition("<c@x.example>")
    assert "may have it" in first
    assert "may have it" not in second
    assert "This was decided on this host, not by the receiver" in second
    assert "receiver's words" not in second
    whole, told, _ = status.get_payload()
    assert whole["Original-Envelope-Id"] == "order 17"
    assert told["Original-Recipient"] == "rfc822; list@x.example"


def test_options_of_a_newer_release_stop_no_drop(spool: Any, operator: Any, tmp_path: Path) -> None:
    """What isn't known here is left out, as where it is claimed."""
    put(spool, letter("b@x.example"))
    db = sqlite3.connect(tmp_path / "spool.db")
    db.execute("""UPDATE messages SET options = '{"ret":"HALF"}'""")
    db.commit()
    db.close()
    assert len(drop(operator).reports) == 1
    assert len(bounces(spool)) == 1


def test_dropping_many_is_a_flood_too(spool: Any, operator: Any, clock: Clock) -> None:
    """Three bounces, and one digest for the others when the hour is over; all are dropped."""
    clock.now = START
    letters = [letter(f"u{number}@x.example") for number in range(10)]
    put(spool, *letters)
    lot = drop(operator, most=3)
    assert len(lot.touched) == 10
    assert len(bounces(spool)) == 3
    assert not set(waiting_ids(spool)) & {one.queue_id for one in letters}
    history = [line.text for line in spool.history(letters[-1].queue_id)]
    assert any("told in a digest" in text for text in history)
    told = []

    def compose(flood: Any, now: float) -> Any:
        told.append(flood)
        return in_a_digest(flood, "robot.genee.cn", 86400.0, now)

    sent = send_digests(spool, compose, START + HOUR).result(10)
    assert len(sent.digests) == 1
    assert [(count.letters, count.recipients) for count in told[0].counts] == [(7, 7)]
    assert {each.reason for each in told[0].listed} == {"554 5.7.1 the operator of this host ended its delivery"}
