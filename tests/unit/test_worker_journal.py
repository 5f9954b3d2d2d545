"""The journal's lines on deliveries: complete, readable, and with the fields that an operator searches by."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from test_worker_bag import claim
from test_worker_delivery import LATER, LOST, NO, OK, RULES, a_claim

from hedwig import log
from hedwig.spool import Kind, Superseded
from hedwig.worker import journal
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import conclude

Entry = tuple[log.Level, str, dict[str, str]]


@pytest.fixture
def entries() -> Iterator[list[Entry]]:
    found: list[Entry] = []
    log.capture(lambda level, message, fields: found.append((level, message, fields)))
    yield found
    log.start("test")


def lines(attempts: dict[int, Attempt], entries: list[Entry]) -> list[Entry]:
    conclusion = conclude(a_claim(), attempts, RULES, 1000.0, lambda: b"Subject: x\r\n\r\n")
    for line in conclusion.lines:
        journal.tell(a_claim(), line, 1000.0)
    for bounce in conclusion.settlement.bounces:
        journal.tell_bounce(a_claim(), bounce)
    return entries


def test_a_delivery(entries: list[Entry]) -> None:
    ((_, message, fields),) = lines({0: OK}, entries)
    assert message == (
        "01: delivered: to=<r0@example.com> from=<a@example.org> mx=mx.example.com[192.0.2.1] delay=1000.000s try=1 "
        "tls=no stage=dot: 250 2.0.0 ok"
    )
    assert fields["HEDWIG_RCPT"] == "r0@example.com"
    assert fields["HEDWIG_STATUS"] == "2.0.0"


def test_what_held_for_tls_is_told(entries: list[Entry]) -> None:
    attempt = replace(OK, tls="TLSv1.3 TLS_AES_256_GCM_SHA384", policy="dane: its certificate fits its TLSA records")
    ((_, message, fields),) = lines({0: attempt}, entries)
    assert " tls=TLSv1.3/TLS_AES_256_GCM_SHA384 (dane: its certificate fits its TLSA records) stage=dot:" in message
    assert fields["HEDWIG_TLS_POLICY"] == "dane: its certificate fits its TLSA records"
    (event,) = conclude(a_claim(), {0: attempt}, RULES, 1000.0, lambda: b"").settlement.events
    assert event.detail == "TLSv1.3 (dane: its certificate fits its TLSA records)"
    clear = replace(OK, policy="it offers no TLS")
    (event,) = conclude(a_claim(), {0: clear}, RULES, 1000.0, lambda: b"").settlement.events
    assert event.detail == "in the clear (it offers no TLS)"


def test_a_deferral_says_when_it_is_tried_next(entries: list[Entry]) -> None:
    ((_, message, _),) = lines({0: LATER}, entries)
    assert message.endswith("stage=rcpt: next try in 1m0s: 451 4.7.1 greylisted")


def test_in_doubt_is_a_warning_in_words(entries: list[Entry]) -> None:
    ((level, message, fields),) = lines({0: LOST}, entries)
    assert level is log.Level.WARNING
    assert "in doubt: to=<r0@example.com>" in message
    assert fields["HEDWIG_EVENT"] == Kind.IN_DOUBT


def test_superseded_names_the_newer_one(entries: list[Entry]) -> None:
    journal.tell_superseded(a_claim(), Superseded("01", "r0@example.com", "02"))
    ((_, message, fields),) = entries
    assert message == "01: superseded: to=<r0@example.com> from=<a@example.org> by=02"
    assert (fields["HEDWIG_EVENT"], fields["HEDWIG_SUCCESSOR"]) == (Kind.SUPERSEDED, "02")


def test_a_failure_and_its_bounce(entries: list[Entry]) -> None:
    (_, failed, _), (_, bounced, fields) = lines({0: NO}, entries)
    assert "failed: to=<r0@example.com>" in failed
    assert "bounced: to=<a@example.org> report=" in bounced
    assert fields["HEDWIG_QUEUE_ID"] == claim(1).queue_id
    assert fields["HEDWIG_REPORT"] in bounced


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0s"), (45, "45s"), (306, "5m6s"), (14400, "4h0m"), (-5, "0s")])
def test_durations(seconds: float, text: str) -> None:
    assert journal.duration(seconds) == text
