"""The backlog: what waits in mailman's own spool gets to the postoffice or back to its sender; nothing stays there."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman import backlog
from hedwig.mailman.backlog import Backlog
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.mailman.forwarder import as_message
from hedwig.mailman.link import Link
from hedwig.reply import Reply
from hedwig.settings import Mailman
from hedwig.spool import SpoolTrouble, State
from hedwig.spool.sqlite import SqliteSpool, open_spool

ACCEPTED = Verdict(Reply(250, "2.0.0", "queued"))
REFUSED = Verdict(Reply(550, "5.7.1", "not allowed to send so"))
SETTINGS = Mailman(fqdn="less.nankai.edu.cn", postoffice="http://127.0.0.1:1/", key="k")


class Postoffice:
    """Stands for the HTTP client."""

    def __init__(self) -> None:
        self.sent: list[list[Parcel]] = []
        self.say: Callable[[Sequence[Parcel]], list[Verdict]] = lambda parcels: [ACCEPTED] * len(parcels)

    def send(self, parcels: Sequence[Parcel]) -> list[Verdict]:
        self.sent.append(list(parcels))
        return self.say(parcels)

    def close(self) -> None:
        """Nothing is open."""

    def end(self) -> None:
        """Nothing is in flight."""


class Rig:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = Postoffice()
        monkeypatch.setattr(backlog, "PostofficeClient", lambda settings: self.there)
        monkeypatch.setattr(backlog, "POLL", 0.01)
        monkeypatch.setattr(backlog, "PROBES", (0.01,))
        self.spool: SqliteSpool = open_spool(str(tmp_path / "spool.db"))
        self.link = Link()
        self.backlog = Backlog(SETTINGS, self.spool, self.link, "host/0")

    def put(self, *, mailfrom: str = "a@example.org", age: float = 0.0, body: bytes = b"S: x\r\n\r\nhi\r\n") -> str:
        parcel = Parcel(queueid.new(), Envelope(mailfrom, ("b@example.com",)), body, time.time() - age, False)
        self.spool.register([as_message(parcel, SETTINGS)]).result(10)
        return parcel.queue_id

    def waiting(self) -> dict[str, State]:
        return {recipient.queue_id: recipient.state for recipient in self.spool.queued()[0]}

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, (self.waiting(), self.there.sent)
            time.sleep(0.005)

    def ids_sent(self) -> list[str]:
        return [parcel.queue_id for batch in self.there.sent for parcel in batch]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path, monkeypatch)
    yield made
    made.backlog.stop()
    made.spool.close()


def test_oldest_first_and_in_batches(rig: Rig) -> None:
    ids = [rig.put(age=100 - number) for number in range(30)]
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == ids
    assert len(rig.there.sent) == 1


def test_an_outage_leaves_all_as_it_was_and_is_probed_with_one_message(rig: Rig) -> None:
    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    ids = [rig.put(age=100 - number, body=b"x" * 400_000) for number in range(8)]
    rig.backlog.start()
    rig.until(lambda: len(rig.there.sent) >= 4)
    assert {len(batch) for batch in rig.there.sent[1:]} == {1}
    rig.until(lambda: set(rig.waiting()) == set(ids) and State.ACTIVE not in rig.waiting().values())
    rig.there.say = lambda parcels: [ACCEPTED] * len(parcels)
    rig.until(lambda: not rig.waiting())
    assert not rig.spool.owners()


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


def test_what_is_too_old_and_can_not_be_handed_over_is_bounced(rig: Rig) -> None:
    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("connection refused")

    rig.there.say = down
    old = rig.put(age=SETTINGS.expire + 1)
    rig.backlog.start()
    rig.until(lambda: rig.waiting() and old not in rig.waiting())
    rig.there.say = lambda parcels: [ACCEPTED] * len(parcels)
    rig.until(lambda: not rig.waiting())
    assert b"5.4.7" in rig.there.sent[-1][0].body


def test_what_is_too_old_is_handed_over_all_the_same_where_it_can_be(rig: Rig) -> None:
    """A host that was off for a week, a key that was wrong for one: nothing was ever offered before."""
    old = rig.put(age=SETTINGS.expire + 1)
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [old]


def test_an_outage_is_probed_slowly_and_leaves_one_line_in_the_history(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("401", 401)

    monkeypatch.setattr(backlog, "PROBES", (0.05,))
    rig.there.say = down
    queue_id = rig.put()
    rig.backlog.start()
    time.sleep(0.5)
    assert 3 <= len(rig.there.sent) <= 12
    rig.until(lambda: rig.waiting()[queue_id] is State.DEFERRED)
    assert len([line for line in rig.spool.history(queue_id) if "401" in line.text]) == 1
    assert rig.spool.queued()[0][0].last_reply == "401"


def test_a_large_message_that_is_too_slow_holds_up_no_other(rig: Rig) -> None:
    large = rig.put(body=b"x" * (2 << 20), age=10)
    small = rig.put()

    def say(parcels: Sequence[Parcel]) -> list[Verdict]:
        if len(parcels[0].body) > 1 << 20:
            raise NoVerdict("no answer within 42 s", reached=True, too_slow=True)
        return [ACCEPTED] * len(parcels)

    rig.there.say = say
    rig.backlog.start()
    rig.until(lambda: rig.waiting() == {large: State.DEFERRED})
    assert rig.ids_sent()[-1] == small
    assert rig.link.is_up


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


@pytest.mark.parametrize("error", [SpoolTrouble("disk full"), RuntimeError("a fault of ours")])
def test_trouble_in_the_middle_leaves_nothing_claimed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The postoffice has the message; the settlement failed: it is offered again, and known again there (I3)."""
    real, failures = rig.spool.settle, iter([True, True])

    def settle(settlements: Sequence[object]) -> object:
        if next(failures, False):
            raise error
        return real(settlements)

    monkeypatch.setattr(rig.spool, "settle", settle)
    queue_id = rig.put()
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [queue_id] * 2
    assert not rig.spool.owners()


def test_large_messages_are_read_one_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred letters of 30 MiB must not be in memory together."""
    order: list[str] = []
    real = rig.spool.body
    monkeypatch.setattr(rig.spool, "body", lambda message: (order.append("read"), real(message))[1])
    rig.there.say = lambda parcels: (order.append("sent"), [ACCEPTED] * len(parcels))[1]
    for _ in range(4):
        rig.put(body=b"x" * (2 << 20))
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    ahead = 0
    for step in order:
        ahead += 1 if step == "read" else -1
        assert ahead <= 2


def _decoded(content: bytes) -> bytes:
    import email

    return b"".join(part.get_payload(decode=True) or b"" for part in email.message_from_bytes(content).walk())
