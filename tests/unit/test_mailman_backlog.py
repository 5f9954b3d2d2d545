"""The backlog: what waits in mailman's own spool gets to the postoffice or back to its sender; nothing stays there."""

from collections.abc import Sequence

import pytest
from backlog_rig import ACCEPTED, REFUSED, SETTINGS, Rig, backlog_rig  # noqa: F401

from hedwig.mailman import overquota
from hedwig.mailman.backlog import VAIN
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.reply import Reply
from hedwig.spool import Kind, State


def test_a_refusal_becomes_a_bounce_that_goes_the_same_way(rig: Rig) -> None:
    rig.there.say = lambda parcels: [REFUSED if parcel.envelope.mailfrom else ACCEPTED for parcel in parcels]
    rig.put()
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    bounce = rig.there.sent[-1][0]
    assert (bounce.envelope.mailfrom, bounce.envelope.rcpttos) == ("", ("a@example.org",))
    assert b"not allowed to send so" in _decoded(bounce.body)


def test_a_bounce_that_is_refused_is_held_and_never_dropped(rig: Rig) -> None:
    rig.there.say = lambda parcels: [REFUSED] * len(parcels)
    queue_id = rig.put(mailfrom="")
    rig.backlog.start()
    rig.until(lambda: rig.waiting() == {queue_id: State.HELD})
    assert len(rig.there.sent) == 1


@pytest.mark.parametrize("reached", [False, True])
def test_what_is_too_old_and_can_not_be_handed_over_is_bounced(rig: Rig, reached: bool) -> None:
    """In mailman's own words; and where the postoffice may have it all the same, the sender reads so (I5)."""

    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("no answer", reached=reached)

    rig.there.say = down
    old = rig.put(age=SETTINGS.expire + 1)
    rig.backlog.start()
    rig.until(lambda: rig.waiting() and old not in rig.waiting())
    assert rig.ids_sent().count(old) == VAIN, "whoever starts with the host waits for the postoffice to start, too"
    rig.there.say = lambda parcels: [ACCEPTED] * len(parcels)
    rig.until(lambda: not rig.waiting())
    body = rig.there.sent[-1][0].body
    assert b"Status: 4.4.7" in body
    assert b"x-hedwig; the postoffice did not take it in time: no answer" in b" ".join(body.split())
    assert b"Remote-MTA" not in body
    assert (b"it may have been delivered" in b" ".join(body.split())) is reached
    assert (b"the receiver may have it" in _decoded(body)) is reached
    (ended,) = [line.text for line in rig.spool.history(old) if line.kind is Kind.EXPIRED]
    assert ended.startswith("expired: the postoffice did not take it in time: no answer")


def test_what_is_refused_for_now_until_it_is_too_old_is_bounced(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overquota, "PAUSE", (0.0, 0.0))
    quota = Verdict(Reply(452, "4.7.1", "over quota"))
    rig.there.say = lambda parcels: [quota if parcel.envelope.mailfrom else ACCEPTED for parcel in parcels]
    old = rig.put(age=SETTINGS.expire + 1)
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent().count(old) == VAIN
    assert b"over quota" in _decoded(rig.there.sent[-1][0].body)


def test_what_is_too_old_is_handed_over_all_the_same_where_it_can_be(rig: Rig) -> None:
    """A host that was off for a week, a key that was wrong for one: nothing was ever offered before."""
    old = rig.put(age=SETTINGS.expire + 1)
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [old]


def test_a_wrong_key_expires_nothing(rig: Rig) -> None:
    def wrong(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("401", 401)

    rig.there.say = wrong
    rig.put()
    rig.backlog.start()
    rig.until(lambda: not rig.link.is_up)
    old = rig.put(age=SETTINGS.expire + 1)
    rig.until(lambda: len(rig.there.sent) > 4)
    rig.until(lambda: rig.waiting()[old] is State.DEFERRED)  # between two probes


def test_a_quota_puts_off_and_a_spoilt_batch_costs_one_message(rig: Rig) -> None:
    spoilt = rig.put(body=b"spoilt", age=3)
    quota = rig.put(body=b"quota", age=2)
    rig.put(body=b"good", age=1)

    def say(parcels: Sequence[Parcel]) -> list[Verdict]:
        if any(parcel.body == b"spoilt" for parcel in parcels):
            raise NoVerdict("400: a frame", 400)
        return [Verdict(Reply(452, "4.7.1", "quota")) if p.body == b"quota" else ACCEPTED for p in parcels]

    rig.there.say = say
    rig.backlog.start()
    rig.until(lambda: rig.waiting() == {spoilt: State.DEFERRED, quota: State.DEFERRED})
    assert rig.link.is_up


def _decoded(content: bytes) -> bytes:
    import email

    return b"".join(part.get_payload(decode=True) or b"" for part in email.message_from_bytes(content).walk())
