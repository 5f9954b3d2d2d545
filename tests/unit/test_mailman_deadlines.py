"""A message's own deadline while it waits in mailman's spool, and what else travels with it through there."""

import email
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from backlog_rig import ACCEPTED, SETTINGS, Rig, backlog_rig  # noqa: F401

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.mailman.forwarder import Tried, as_message
from hedwig.mailman.outcome import Obstacle, is_stale, waits
from hedwig.options import Notify, Options, Priority, Submitter
from hedwig.reply import Reply
from hedwig.spool import POSTOFFICE, Claim, Kind, Recipient, State

NOW = 1_700_000_000.0
RCPTTOS = ("b@example.com", "c@example.com")
BODY = b"Received: x\r\nSubject: the code is 1234\r\nMessage-ID: <1@b>\r\n\r\nhi\r\n"


def parcel(options: Options, mailfrom: str = "a@example.org", age: float = 60.0) -> Parcel:
    return Parcel(queueid.new(), Envelope(mailfrom, RCPTTOS), BODY, time.time() - age, False, options)


def over() -> Options:
    return Options(deadline=time.time() - 1)


def events(rig: Rig, queue_id: str) -> list[Kind]:
    return [line.kind for line in rig.spool.history(queue_id)]


def test_what_is_over_is_not_offered_and_its_sender_hears_so(rig: Rig) -> None:
    """One report for both recipients, with a clear status; what has time left goes as ever."""
    late = rig.keep(parcel(over()))
    fresh = rig.keep(parcel(Options(deadline=time.time() + 600)))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    sent = [each for batch in rig.there.sent for each in batch]
    assert late not in [each.queue_id for each in sent]
    assert fresh in [each.queue_id for each in sent]
    (report,) = [each for each in sent if not each.envelope.mailfrom]
    assert report.envelope.rcpttos == ("a@example.org",)
    text = b"".join(part.get_payload(decode=True) or b"" for part in email.message_from_bytes(report.body).walk())
    assert report.body.count(b"Status: 5.4.7") == 2
    assert b"it waited for the postoffice, and was to be sent until" in text
    assert b"x-hedwig; not sent: it waited" in b" ".join(report.body.split())
    assert b"Remote-MTA" not in report.body, "the postoffice was not asked, and said nothing"
    (said,) = [line.text for line in rig.spool.history(late) if line.kind is Kind.EXPIRED]
    assert said.startswith("expired: not sent: it waited for the postoffice")
    assert report.body.count(b"Final-Recipient: ") == 2
    assert events(rig, late) == [Kind.ACCEPTED, Kind.EXPIRED, Kind.BOUNCED]


def test_a_deadline_ends_it_though_the_postoffice_is_down(rig: Rig) -> None:
    """Nobody is asked about it; its report waits as it would have."""

    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    rig.link.no_verdict(NoVerdict("connection refused"))
    late = rig.keep(parcel(over()))
    rig.backlog.start()
    rig.until(lambda: late not in rig.waiting() and rig.waiting())
    assert late not in rig.ids_sent()


def test_one_that_was_put_off_ends_in_time(rig: Rig) -> None:
    """A quota puts it off for five minutes; its deadline comes first."""
    rig.there.say = lambda parcels: [
        Verdict(Reply(452, "4.7.1", "over quota")) if each.envelope.mailfrom else ACCEPTED for each in parcels
    ]
    late = rig.keep(parcel(Options(deadline=time.time() + 1.5)))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent().count(late) == 1
    assert events(rig, late) == [Kind.ACCEPTED, Kind.DEFERRED, Kind.EXPIRED, Kind.BOUNCED]


def test_a_bounce_that_is_over_just_ends(rig: Rig) -> None:
    """I7: nothing answers a null sender, and there is nothing in it that anybody must look at."""
    late = rig.keep(parcel(over(), mailfrom=""))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert not rig.there.sent
    assert events(rig, late) == [Kind.ACCEPTED, Kind.EXPIRED]


def test_what_may_be_over_there_already_is_asked_about(rig: Rig) -> None:
    """I3: a request that had it got no verdict. The postoffice took it in time, and no report says otherwise."""
    doubtful = rig.keep(parcel(over()), in_doubt=True)
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [doubtful]
    assert events(rig, doubtful) == [Kind.ACCEPTED, Kind.DEFERRED, Kind.FORWARDED]
    assert rig.spool.history(doubtful)[1].text == "deferred: in doubt: the postoffice may have it; no answer"


def test_an_offer_without_a_verdict_leaves_a_doubt(rig: Rig) -> None:
    """It is kept with the message: whoever runs after a restart knows it too."""
    late = rig.keep(parcel(Options(deadline=time.time() + 1.0)))

    def lost(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("the connection broke", reached=True)

    rig.there.say = lost
    rig.backlog.start()
    rig.until(lambda: late in rig.ids_sent() and rig.waiting() == {late: State.DEFERRED})
    rig.until(lambda: time.time() > rig.there.sent[0][0].options.deadline + 0.2)
    rig.there.say = lambda parcels: [ACCEPTED] * len(parcels)
    rig.until(lambda: not rig.waiting())
    assert {each.queue_id for batch in rig.there.sent for each in batch} == {late}
    assert events(rig, late)[-1] is Kind.FORWARDED


@pytest.mark.parametrize(("deadline", "expires", "doubts", "stale"), [
    (0.0, NOW - 1, 0, False),
    (NOW + 1, NOW + 1, 0, False),
    (NOW, NOW, 0, True),
    (NOW - 1, NOW - 1, 0, True),
    (NOW - 1, NOW - 1, 1, False),
    (NOW - 1, NOW + 9e5, 0, False),
])  # fmt: skip
def test_stale(deadline: float, expires: float, doubts: int, stale: bool) -> None:
    assert is_stale(claim(deadline, expires, doubts), NOW) is stale


@pytest.mark.parametrize(("ahead", "in_doubt", "expires"), [
    (600, False, 600),
    (600, True, SETTINGS.expire),
    (SETTINGS.expire + 600, False, SETTINGS.expire),
    (SETTINGS.expire + 600, True, SETTINGS.expire + 601),
])  # fmt: skip
def test_its_expiry_in_mailmans_spool_tells_doubt(ahead: float, in_doubt: bool, expires: float) -> None:
    """Whatever the deadline: only what is not in doubt expires by it, and is stale."""
    sent = replace(parcel(Options(deadline=NOW + ahead)), accepted_at=NOW)
    message = as_message(sent, SETTINGS, Tried("no answer", in_doubt))
    assert message.expires_at == NOW + expires
    assert is_stale(claim(NOW + ahead, message.expires_at), NOW + ahead) is not in_doubt


def test_a_doubt_is_kept_with_and_without_a_deadline() -> None:
    """The operator who drops it, and its sender, must know. A deadline bounds the pause."""
    obstacle = Obstacle("the connection broke", in_doubt=True)
    assert waits(claim(0.0, NOW + 9e5), obstacle, NOW, NOW).results[0].in_doubt
    assert not waits(claim(0.0, NOW + 9e5), Obstacle("connection refused"), NOW, NOW).results[0].in_doubt
    assert waits(claim(NOW + 5, NOW + 5), obstacle, NOW + 300, NOW).results[0].in_doubt
    assert waits(claim(NOW + 5, NOW + 5), obstacle, NOW + 300, NOW).results[0].due == NOW + 5


def test_all_that_travels_with_a_message_goes_through_the_spool(rig: Rig) -> None:
    """Wishes, submitter and Message-ID; and the urgent one goes first."""
    options = Options(
        time.time() + 600, "otp", Priority.URGENT, ret="HDRS", notify=(Notify("c@example.com", ("NEVER",)),)
    )
    by = Submitter("172.17.0.2", "web").packed()
    plain = rig.keep(parcel(Options(), age=90))
    urgent = rig.keep(replace(parcel(options), submitter=by, message_id="<1@b>"))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [urgent, plain]
    sent = rig.there.sent[0][0]
    assert (sent.options, sent.submitter, sent.message_id) == (options, by, "<1@b>")


@pytest.mark.parametrize(
    ("when", "told"),
    [((), 2), (("NEVER",), 1), (("SUCCESS", "DELAY"), 1), (("FAILURE",), 2), (("FAILURE", "DELAY"), 2)],
)
def test_a_report_follows_notify(rig: Rig, when: tuple[str, ...], told: int) -> None:
    """RFC 3461 §5.2.6, for one of the two recipients; and its original address comes back."""
    asked = Notify(RCPTTOS[0], when, "rfc822;Bob@b.example")
    rig.there.say = lambda parcels: [
        Verdict(Reply(550, "5.7.1", "no")) if each.envelope.mailfrom else ACCEPTED for each in parcels
    ]
    rig.keep(parcel(Options(notify=(asked,))))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    report = rig.there.sent[-1][0].body
    assert report.count(b"Final-Recipient: ") == told
    assert report.count(b"Original-Recipient: rfc822; Bob@b.example") == told - 1


def test_nobody_is_told_where_nobody_wants_to_know(rig: Rig) -> None:
    rig.there.say = lambda parcels: [Verdict(Reply(550, "5.7.1", "no"))] * len(parcels)
    rig.keep(parcel(Options(notify=tuple(Notify(rcptto, ("NEVER",)) for rcptto in RCPTTOS))))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert len(rig.ids_sent()) == 1


def claim(deadline: float, expires: float, doubts: int = 0) -> Claim:
    recipients = (Recipient(0, RCPTTOS[0], 0, 0.0, "", doubts),)
    return Claim(
        1, 2, 3, "ID", "c", "a@example.org", POSTOFFICE, recipients, 9, False, NOW - 60, expires, False, "", None,
        options=Options(deadline=deadline),
    )  # fmt: skip
