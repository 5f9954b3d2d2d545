"""Couriers with messages that must not go out twice (`on_doubt`), or not after a deadline, over a real spool (I5)."""

import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from worker_rig import Receiver, Rig

from hedwig.options import Notify, OnDoubt, Options
from hedwig.spool import Kind, State
from hedwig.worker.talks import path_of, read_talks

HOLD = Options(on_doubt=OnDoubt.HOLD)
ONCE = Options(on_doubt=OnDoubt.RETRY_ONCE)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    yield made
    await made.close()


@pytest.fixture
async def rig(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, {"mx.example.com": "127.0.0.1"}, await receiver.start())
    yield made
    await made.close()


class Disk:
    """The fdatasync under the dot marks, in the test's hand: `begun` when it is called; it ends when `go` is set."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.fails = False
        monkeypatch.setattr(rig.tools.dots._talks, "_sync", self.sync)

    def sync(self, file: int) -> None:
        self.begun.set()
        assert self.go.wait(10)
        if self.fails:
            raise OSError(28, os.strerror(28))


def history(rig: Rig) -> list[tuple[Kind, str, str]]:
    (recipient, *_) = rig.spool.queued()[0]
    return [(line.kind, line.rcptto, line.text) for line in rig.spool.history(recipient.queue_id)]


async def test_a_lost_reply_is_held_at_once(rig: Rig, receiver: Receiver) -> None:
    """on_doubt: hold. One copy went out; the operator sees why, and the conversation up to the dot."""
    receiver.at_dot = lambda number: None
    await rig.register(1, options=HOLD)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.HELD])
    await rig.send(later=10_000)
    assert len(receiver.messages) == 1
    assert (rig.settler.counts[Kind.IN_DOUBT], rig.settler.counts[Kind.HELD]) == (1, 1)
    (recipient,) = rig.spool.queued()[0]
    assert recipient.last_reply == "in doubt: connection closed by the far side"
    _, doubt, held, talk = history(rig)
    assert doubt[:2] == (Kind.IN_DOUBT, "b@example.com")
    assert held[0] is Kind.HELD
    assert "on_doubt: hold" in held[2]
    lines = talk[2].split("\n")
    assert lines[0].startswith("in doubt: * mx.example.com[127.0.0.1]:")
    for line in ("> EHLO robot.genee.cn", "> MAIL FROM:<a@example.org>", "> RCPT TO:<b@example.com>", "< 354 go"):
        assert line in lines
    assert lines[-1] == "* 12 octets of the message are sent"
    assert not any("hi" in line for line in lines)


async def test_a_lost_reply_is_tried_once_more(rig: Rig, receiver: Receiver) -> None:
    """on_doubt: retry-once. The first doubt is deferred, the second one held."""
    receiver.at_dot = lambda number: None
    await rig.register(1, options=ONCE)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    await rig.send(later=100)
    await rig.settled(lambda: rig.states() == [State.HELD])
    await rig.send(later=10_000)
    assert len(receiver.messages) == 2
    kinds = [kind for kind, rcptto, _ in history(rig) if rcptto]
    assert kinds == [Kind.IN_DOUBT, Kind.IN_DOUBT, Kind.HELD]


async def test_delivered_is_delivered(rig: Rig, receiver: Receiver) -> None:
    """Twenty careful messages on few connections: each arrives once, and nothing is left of the talk."""
    await rig.register(20, options=HOLD)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 20
    assert receiver.connections <= 10
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 20)


async def test_the_mark_is_on_disk_before_the_dot(
    rig: Rig, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the fsync is under way no dot is out, and other clients' messages pass by (I9)."""
    disk = Disk(rig, monkeypatch)
    await rig.register(1, options=HOLD)
    await rig.send()
    await rig.settled(disk.begun.is_set)
    (doubt,) = read_talks(path_of(tmp_path / "1.dots")).values()
    assert doubt.numbers == (0,)
    assert "> MAIL FROM:<a@example.org>" in doubt.talk
    await rig.register(5)
    await rig.send()
    await rig.settled(lambda: len(receiver.messages) == 5)
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 5)
    disk.go.set()
    await rig.settled(lambda: len(receiver.messages) == 6)


async def test_a_disk_that_takes_no_mark_costs_no_try(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I8: no dot without a mark; later, and not charged."""
    disk = Disk(rig, monkeypatch)
    disk.fails = True
    disk.go.set()
    await rig.register(1, options=HOLD)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    (recipient,) = rig.spool.queued()[0]
    assert recipient.last_reply == "the dot mark could not be written: No space left on device"
    assert recipient.tries == 0
    assert receiver.messages == []


async def test_a_plain_mark_that_cannot_be_written_costs_no_try(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the 16 octets of everyone's dot mark."""

    def full(delivery: int, token: int) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(rig.tools.dots, "mark", full)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    (recipient,) = rig.spool.queued()[0]
    assert (recipient.tries, recipient.last_reply[:13]) == (0, "the dot mark ")
    assert receiver.messages == []


async def test_stopped_before_its_mark_was_on_disk_it_is_handed_back(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while the fsync is under way: no dot went out, so there is no doubt (I10)."""
    disk = Disk(rig, monkeypatch)
    await rig.register(1, options=HOLD)
    await rig.send()
    await rig.settled(disk.begun.is_set)
    await rig.dispatch.stop(5)
    disk.go.set()
    await rig.settled(lambda: rig.states() == [State.READY])
    assert receiver.messages == []


async def test_stopped_after_the_dot_it_is_held(rig: Rig, receiver: Receiver) -> None:
    """SIGTERM, and no reply within stop_time: in doubt are those that the message was handed over for, no others."""
    receiver.wait_at_dot.clear()
    receiver.refused = b"gone"
    await rig.register(1, to=("gone@example.com", "b@example.com"), options=HOLD)
    await rig.send()
    await receiver.at_dot_now.wait()
    await rig.dispatch.stop(0.05)
    await rig.settled(lambda: sorted(rig.states()) == [State.HELD, State.READY])
    receiver.wait_at_dot.set()
    held = [recipient.rcptto for recipient in rig.spool.queued()[0] if recipient.state is State.HELD]
    assert held == ["b@example.com"]
    talk = history(rig)[-1][2]
    assert "> RCPT TO:<gone@example.com>\n> RCPT TO:<b@example.com>\n> DATA\n" in talk
    assert "< 550 5.1.1 no such user" in talk


async def test_a_refusal_before_the_dot_is_an_outcome(rig: Rig, receiver: Receiver) -> None:
    """The reply lost after the dot holds the one that was taken; the refused one has its bounce."""
    receiver.at_dot = lambda number: None
    receiver.refused = b"gone"
    await rig.register(1, to=("gone@example.com", "b@example.com"), options=HOLD)
    await rig.send()
    await rig.settled(lambda: State.HELD in rig.states() and rig.tools.bag.messages == 0)
    assert rig.settler.counts[Kind.FAILED] == 1
    await rig.settled(lambda: rig.settler.counts[Kind.BOUNCED] == 1)


async def test_other_clients_write_no_talk(rig: Rig, receiver: Receiver, tmp_path: Path) -> None:
    """on_doubt: retry pays nothing."""
    receiver.at_dot = lambda number: None
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED] * 3)
    assert path_of(tmp_path / "1.dots").stat().st_size == 0


async def test_past_its_deadline_it_is_not_sent(rig: Rig, receiver: Receiver) -> None:
    """It waited in the bag too long: it fails, and its sender learns why; one with time left goes."""
    await rig.register(1, options=Options(deadline=time.time() - 1))
    await rig.register(1, options=Options(deadline=time.time() + 600))
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    await rig.settled(lambda: rig.settler.counts[Kind.EXPIRED] == 1)
    assert len(receiver.messages) == 1
    assert rig.settler.counts[Kind.BOUNCED] == 1
    await rig.settled(lambda: rig.tools.bag.messages == 0)


async def test_success_is_reported_where_the_host_does_not(rig: Rig, receiver: Receiver) -> None:
    """NOTIFY=SUCCESS, and a host without DSN: a report that it was relayed (RFC 3461 §5.2.2)."""
    await rig.register(1, options=Options(notify=(Notify("b@example.com", ("SUCCESS",)),)))
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    (report,) = rig.spool.queued()[0]
    assert (report.mailfrom, report.rcptto) == ("", "a@example.org")
