"""The backlog: what it sends when, in an outage too; large messages; trouble; its start and its end."""

import threading
import time
from collections.abc import Sequence

import pytest
from backlog_rig import ACCEPTED, REFUSED, SETTINGS, Rig, backlog_rig  # noqa: F401

from hedwig.mailman import backlog
from hedwig.mailman.client import NoVerdict, Parcel, Verdict
from hedwig.spool import POSTOFFICE, SpoolTrouble, State


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
    assert sorted(rig.ids_sent()) == sorted([small, large])
    assert rig.link.is_up


def test_a_large_message_that_is_too_slow_is_not_tried_again_at_once(rig: Rig) -> None:
    def silent(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("no answer within 42 s", reached=True)

    rig.there.say = silent
    large = rig.put(body=b"x" * (2 << 20), age=10)
    rig.backlog.start()
    rig.until(lambda: rig.waiting() == {large: State.DEFERRED})
    small = rig.put()
    rig.until(lambda: len(rig.there.sent) > 4)
    assert rig.ids_sent()[0] == large
    assert set(rig.ids_sent()[1:]) == {small}


def test_a_large_message_that_met_a_restart_of_the_postoffice_waits_for_seconds(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection broke midway: that is no reason to put it off for five minutes, unless it goes on so (I8)."""

    def restarted(parcels: Sequence[Parcel]) -> list[Verdict]:
        if len(rig.there.sent) < 4:
            raise NoVerdict("connection reset by peer", reached=True, too_slow=True)
        return [ACCEPTED] * len(parcels)

    monkeypatch.setattr(backlog, "AGAIN", 0.05)
    rig.there.say = restarted
    rig.put(body=b"x" * (2 << 20), age=10)
    started = time.monotonic()
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert len(rig.there.sent) == 4
    assert time.monotonic() - started >= 0.05 + 0.1 + 0.2


def test_a_large_message_on_a_slow_way_takes_a_fifth_of_the_time_at_most(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I9: what waits behind it has its turn for longer than each try took."""
    monkeypatch.setattr(backlog, "AGAIN", 0.0)
    tries: list[float] = []

    def slow(parcels: Sequence[Parcel]) -> list[Verdict]:
        tries.append(time.monotonic())
        time.sleep(0.2)
        raise NoVerdict("no answer within 42 s", reached=True, too_slow=True)

    rig.there.say = slow
    rig.put(body=b"x" * (2 << 20), age=10)
    rig.backlog.start()
    rig.until(lambda: len(tries) == 2)
    assert tries[1] - tries[0] >= 0.2 + backlog.SHARE * 0.2


def test_small_messages_pass_large_ones(rig: Rig) -> None:
    """I9: in 25 MiB of upload a thousand small ones would wait."""
    large = [rig.put(body=b"x" * (2 << 20), age=100 - number) for number in range(3)]
    small = [rig.put(age=50 - number) for number in range(3)]
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [*small, *large]


def test_small_messages_are_found_behind_many_large_ones(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOKS", (2, 100))
    for _ in range(4):
        rig.put(body=b"x" * (2 << 20), age=100)
    small = rig.put()
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent()[0] == small


def test_a_wrong_key_puts_no_large_message_off(rig: Rig) -> None:
    def wrong(parcels: Sequence[Parcel]) -> list[Verdict]:
        raise NoVerdict("401", 401)

    rig.there.say = wrong
    large = rig.put(body=b"x" * (2 << 20))
    rig.backlog.start()
    rig.until(lambda: len(rig.there.sent) > 2)
    rig.there.say = lambda parcels: [ACCEPTED] * len(parcels)
    rig.until(lambda: not rig.waiting())
    assert set(rig.ids_sent()) == {large}


def test_claims_of_a_predecessor_are_freed_whatever_the_host_was_called(rig: Rig) -> None:
    queue_id = rig.put()
    due = rig.spool.due(POSTOFFICE, time.time(), 10)
    rig.spool.claim([each.delivery for each in due], "old-name/0", time.time()).result(10)
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())
    assert rig.ids_sent() == [queue_id]


def test_a_spool_that_is_full_at_the_start_is_in_use_as_soon_as_it_is_not(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = rig.spool.owners, iter([True, True])

    def owners() -> list[str]:
        if next(failures, False):
            raise SpoolTrouble("disk full")
        return real()

    monkeypatch.setattr(rig.spool, "owners", owners)
    rig.put()
    rig.backlog.start()
    rig.until(lambda: not rig.waiting())


def test_an_end_waits_for_no_request_that_hangs(rig: Rig) -> None:
    """And what was in it is nobody's, for the next mailman."""
    ended = threading.Event()

    def hangs(parcels: Sequence[Parcel]) -> list[Verdict]:
        ended.wait(20)
        raise NoVerdict("mailman is ending")

    rig.there.say = hangs
    rig.there.end = ended.set
    queue_id = rig.put()
    rig.backlog.start()
    rig.until(lambda: rig.there.sent)
    rig.backlog.stop()
    assert rig.waiting() == {queue_id: State.READY}
    assert not rig.spool.owners()
    assert rig.link.is_up, "an end is no outage"
    assert not rig.backlog.pulse.stuck


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_backlog_whose_thread_has_died_is_stuck(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog is not petted then (pulse.py)."""

    def dies() -> None:
        raise SystemExit

    monkeypatch.setattr(rig.backlog, "_hand_back", dies)
    rig.backlog.start()
    rig.until(lambda: rig.backlog.pulse.stuck)


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
