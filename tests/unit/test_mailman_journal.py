"""mailman's lines on a message carry the fields of the worker's: one query finds it on both hosts."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedwig import log
from hedwig.envelope import Envelope
from hedwig.mailman import Submission
from hedwig.mailman.client import Parcel
from hedwig.mailman.forwarder import as_message
from hedwig.mailman.journal import tell, tell_waited
from hedwig.options import Options, Priority, Submitter
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool.sqlite import open_spool

ID = "01JF0000000000000000000000"
ENVELOPE = Envelope("a@example.org", ("b@example.com", "c@example.net"))
BODY = b"Subject: x\r\n\r\nhi\r\n"


@pytest.fixture
def entries() -> Iterator[list[tuple[log.Level, str, dict[str, str]]]]:
    found: list[tuple[log.Level, str, dict[str, str]]] = []
    log.start("test")
    log.capture(lambda level, message, fields: found.append((level, message, fields)))
    yield found
    log.start("test")


def parts() -> tuple[Submission, Parcel]:
    now = time.time() - 0.25
    return Submission(ID, ENVELOPE, BODY, now, False, Submitter("172.17.0.2")), Parcel(ID, ENVELOPE, BODY, now, False)


def test_forwarded_at_once(entries: list[tuple[log.Level, str, dict[str, str]]]) -> None:
    tell("forwarded", *parts(), Reply(250, "2.0.0", "queued"))
    ((level, message, fields),) = entries
    assert level is log.Level.INFO
    assert message.startswith(f"{ID}: forwarded: from=<a@example.org> to=<b@example.com> and 1 more size=18 ")
    assert fields["HEDWIG_STATUS"] == "2.0.0"
    assert 0.25 <= float(fields["HEDWIG_DELAY"]) < 5
    assert f" delay={fields['HEDWIG_DELAY']}s: 250 2.0.0 queued" in message
    assert fields["HEDWIG_RCPT"] == "b@example.com\nc@example.net"
    assert (fields["HEDWIG_PEER"], fields["HEDWIG_REPLY"]) == ("172.17.0.2", "250 2.0.0 queued")


def test_who_handed_it_in_and_what_it_asks_for(entries: list[tuple[log.Level, str, dict[str, str]]]) -> None:
    """A field for each that is known, so that `journalctl HEDWIG_CONTAINER=web` answers too."""
    submission, parcel = parts()
    asked = Options(deadline=1_000_000_000.0, supersede="otp-42", priority=Priority.BULK, envid="e")
    tell("spooled", replace(submission, options=asked, submitter=Submitter("172.17.0.2", "web")), parcel, "no verdict")
    tell("spooled", submission, parcel, "no verdict")
    (_, message, fields), (_, other, plain) = entries
    assert " peer=web 172.17.0.2 " in message
    assert " asked=(until 2001-09-09 01:46:40 UTC, bulk, key otp-42, ENVID=e): no verdict" in message
    told = {name: fields.get(f"HEDWIG_{name}") for name in ("DEADLINE", "PRIORITY", "SUPERSEDE", "PEER", "CONTAINER")}
    assert list(told.values()) == ["2001-09-09 01:46:40 UTC", "bulk", "otp-42", "172.17.0.2", "web"]
    assert "asked" not in other
    assert fields.keys() - plain.keys() == {f"HEDWIG_{name}" for name in told} - {"HEDWIG_PEER"}


def test_kept_for_want_of_an_answer(entries: list[tuple[log.Level, str, dict[str, str]]]) -> None:
    """Nobody gave a status then."""
    tell("spooled", *parts(), "connection refused")
    ((_, _, fields),) = entries
    assert "HEDWIG_STATUS" not in fields
    assert float(fields["HEDWIG_DELAY"]) >= 0.25


@pytest.mark.parametrize(
    ("reply", "kind", "level"),
    [
        (Reply(250, "2.0.0", "queued"), "forwarded", log.Level.INFO),
        (Reply(550, "5.7.1", "not allowed to send so"), "refused", log.Level.NOTICE),
    ],
)
def test_after_a_wait(
    tmp_path: Path,
    entries: list[tuple[log.Level, str, dict[str, str]]],
    reply: Reply,
    kind: str,
    level: log.Level,
) -> None:
    """With the claim that a real spool gives."""
    spool = open_spool(str(tmp_path / "spool.db"))
    parcel = Parcel(ID, ENVELOPE, BODY, 1000.0, False)
    spool.register([as_message(parcel, Mailman(fqdn="less.example.com"))]).result(10)
    (claim,) = spool.claim([1], "host/0", 1000.0).result(10)
    spool.close()
    tell_waited(claim, reply, 1090.5)
    ((told, message, fields),) = entries
    assert told is level
    assert (fields["HEDWIG_EVENT"], fields["HEDWIG_STATUS"]) == (kind, reply.enhanced)
    assert fields["HEDWIG_DELAY"] == "90.500"
    assert fields["HEDWIG_RCPT"] == "b@example.com\nc@example.net"
    assert "waited=90.500s" in message
