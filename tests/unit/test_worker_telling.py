"""Which reports a sender gets: NOTIFY, RET, and what the next host announces (RFC 3461 §5.2)."""

import dataclasses
import email
import email.policy

import pytest
from test_worker_delivery import LATER, NO, OK, ORIGINAL, RULES, a_claim

from hedwig.options import Notify, Options, TlsWish
from hedwig.spool import Claim, Report
from hedwig.worker.attempt import Attempt
from hedwig.worker.delivery import conclude

RCPTTO = "r0@example.com"
FIVE_HOURS = 5 * 3600.0


def asked(*when: str, **options: object) -> Claim:
    notify = (Notify(RCPTTO, when, "rfc822;First@Lists.example"),)
    return dataclasses.replace(a_claim(), options=Options(notify=notify, **options), size=len(ORIGINAL))


def told(claim: Claim, attempt: Attempt, now: float = 1000.0) -> list[str]:
    """The kinds of reports that come of it."""
    conclusion = conclude(claim, {0: attempt}, RULES, now, lambda: ORIGINAL)
    return [bounce.action for bounce in conclusion.settlement.bounces if isinstance(bounce, Report)]


@pytest.mark.parametrize(
    ("when", "failed", "delayed", "relayed"),
    [
        ((), True, True, False),
        (("NEVER",), False, False, False),
        (("SUCCESS",), False, False, True),
        (("FAILURE",), True, False, False),
        (("DELAY",), False, True, False),
        (("SUCCESS", "FAILURE"), True, False, True),
        (("FAILURE", "DELAY"), True, True, False),
        (("SUCCESS", "FAILURE", "DELAY"), True, True, True),
    ],
)
def test_notify_decides(when: tuple[str, ...], failed: bool, delayed: bool, relayed: bool) -> None:
    """§5.2.2 (b), (d) to (f); §5.2.5; §5.2.6: the whole table, without NOTIFY and with each of its values."""
    assert told(asked(*when), NO) == (["failed"] if failed else [])
    assert told(asked(*when), LATER, FIVE_HOURS) == (["delayed"] if delayed else [])
    assert told(asked(*when), OK) == (["relayed"] if relayed else [])
    assert told(asked(*when), dataclasses.replace(OK, reports=True)) == []


def test_a_null_sender_hears_nothing_whatever_it_asked() -> None:
    """I7."""
    claim = dataclasses.replace(asked("SUCCESS", "FAILURE", "DELAY"), mailfrom="")
    for attempt, now in ((NO, 1000.0), (LATER, FIVE_HOURS), (OK, 1000.0)):
        assert told(claim, attempt, now) == []


def test_nobody_who_did_not_ask_is_in_anothers_report() -> None:
    """Two failed, one of them with NOTIFY=NEVER: the report names the other; and the history says why there is none."""
    claim = asked("NEVER")
    conclusion = conclude(claim, {0: NO, 1: NO}, RULES, 1000.0, lambda: ORIGINAL)
    (bounce,) = conclusion.settlement.bounces
    content = b"".join(bounce.body.pieces())
    assert b"r1@example.com" in content
    assert b"r0@example.com" not in content
    silent, reported = conclusion.settlement.events
    assert silent.detail == "by its code; no report: NOTIFY=NEVER"
    assert reported.detail == "by its code"


def test_a_warning_is_given_once_even_where_some_did_not_want_it() -> None:
    """The delivery counts as warned: the others are not warned again with the next try."""
    claim = asked("FAILURE")
    conclusion = conclude(claim, {0: LATER, 1: LATER}, RULES, FIVE_HOURS, lambda: ORIGINAL)
    (bounce,) = conclusion.settlement.bounces
    assert b"r0@example.com" not in b"".join(bounce.body.pieces())
    assert conclusion.settlement.warned


def groups_of(claim: Claim, attempt: Attempt) -> tuple[email.message.Message, list[email.message.Message]]:
    (bounce,) = conclude(claim, {0: attempt}, RULES, 1000.0, lambda: ORIGINAL).settlement.bounces
    parsed = email.message_from_bytes(b"".join(bounce.body.pieces()), policy=email.policy.SMTP)
    _, status, returned = parsed.iter_parts()
    return returned, list(status.get_payload())


def test_envid_and_orcpt_come_back() -> None:
    """§6.3 (c), (d)."""
    _, (whole, first) = groups_of(asked("FAILURE", envid="order 17"), NO)
    assert whole["Original-Envelope-Id"] == "order 17"
    assert first["Original-Recipient"] == "rfc822; First@Lists.example"
    assert first["Remote-MTA"] == "dns; mx.example.com ([192.0.2.1])"


@pytest.mark.parametrize(
    ("ret", "size", "kind"),
    [
        ("FULL", len(ORIGINAL), "message/rfc822"),
        ("HDRS", len(ORIGINAL), "text/rfc822-headers"),
        ("", len(ORIGINAL), "text/rfc822-headers"),
        ("FULL", len(ORIGINAL) + 1, "text/rfc822-headers"),
    ],
)
def test_ret_decides_what_comes_back(ret: str, size: int, kind: str) -> None:
    """§4.3; and of a letter that is too large to have been read whole, its header."""
    returned, _ = groups_of(dataclasses.replace(asked("FAILURE", ret=ret), size=size), NO)
    assert returned.get_content_type() == kind


def test_a_report_asks_for_no_report() -> None:
    """§6.1: RET must not be there, and NOTIFY may only be NEVER; the sender is null."""
    (bounce,) = conclude(asked("FAILURE", ret="FULL"), {0: NO}, RULES, 1000.0, lambda: ORIGINAL).settlement.bounces
    assert bounce.envelope.mailfrom == ""
    assert bounce.options == Options(notify=(Notify("a@example.org", ("NEVER",)),))


def test_what_is_said_of_a_guarded_message_is_guarded_too() -> None:
    """RFC 8689 §5; and of its text nothing comes back but the header."""
    claim = asked(tls=TlsWish.REQUIRED, ret="FULL")
    (bounce,) = conclude(claim, {0: NO}, RULES, 1000.0, lambda: ORIGINAL).settlement.bounces
    assert bounce.options.tls is TlsWish.REQUIRED
    content = b"".join(bounce.body.pieces())
    assert b"text/rfc822-headers" in content
    assert b"message/rfc822" not in content


def test_what_a_digest_would_say_of_it() -> None:
    """Recipient and reason of each."""
    (bounce,) = conclude(asked("FAILURE"), {0: NO, 1: NO}, RULES, 1000.0, lambda: ORIGINAL).settlement.bounces
    assert isinstance(bounce, Report)
    reason = "mx.example.com[192.0.2.1]: 550 5.1.1 no such user"
    assert bounce.about == (("r0@example.com", reason), ("r1@example.com", reason))
