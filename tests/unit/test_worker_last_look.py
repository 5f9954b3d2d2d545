"""What is wanted no more by the time that a host would take it is not sent: couriers over a real spool, and receivers
that answer when the test says so."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from worker_rig import OWNER, Receiver, Rig

from hedwig.options import PLAIN, OnDoubt, Options
from hedwig.spool import Halted, Kind, State
from hedwig.spool.desk import SqliteDesk, open_desk
from hedwig.spool.operate import Act, Filter, Order

OTP = Options(supersede="otp")


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


def code(number: int) -> bytes:
    return b"S: x\r\n\r\ncode %d\r\n" % number


@pytest.mark.parametrize("policy", list(OnDoubt))
async def test_of_three_codes_only_the_newest_arrives(rig: Rig, receiver: Receiver, policy: OnDoubt) -> None:
    """All three are claimed and under way when the next one comes; the host answers MAIL after that."""
    receiver.wait_at_mail.clear()
    options = Options(supersede="otp", on_doubt=policy)
    for number in (1, 2, 3):
        await rig.register(1, body=code(number), options=options)
        await rig.send()
        await rig.settled(lambda number=number: receiver.at_mail == number)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    assert [b"code 3" in message for message in receiver.messages] == [True]
    # The spool shows a commit a moment before the settler hears of it.
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.settler.counts[Kind.SUPERSEDED] == 2


async def test_who_has_no_newer_one_gets_the_older(rig: Rig, receiver: Receiver) -> None:
    """Of two recipients one has a newer letter: the other one gets the first letter, once."""
    receiver.wait_at_mail.clear()
    await rig.register(1, body=code(1), options=OTP, to=("b@example.com", "c@example.com"))
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    await rig.register(1, body=code(2), options=OTP)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.settler.counts[Kind.SUPERSEDED] == 1 and rig.tools.bag.messages == 0)
    assert receiver.messages == []
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert sorted(message.count(b"code 1") for message in receiver.messages) == [0, 1]
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 2)  # it counts a moment after the commit


async def test_what_was_superseded_in_the_bag_is_not_begun(rig: Rig, receiver: Receiver) -> None:
    """The mark is seen before MAIL: the connection is kept for the next one."""
    receiver.wait_at_mail.clear()
    await rig.register(10)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 10)
    await rig.register(1, body=code(1), options=OTP, to=("b@example.com", "c@example.com"))
    await rig.send()
    await rig.register(1, body=code(2), options=OTP)
    await rig.send()
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    assert sum(b"code 1" in message for message in receiver.messages) == 1, "it goes to the other recipient"
    assert (len(receiver.messages), receiver.connections) == (12, 10)
    assert (rig.settler.counts[Kind.SUPERSEDED], rig.settler.counts[Kind.DELIVERED]) == (1, 12)


@pytest.mark.parametrize("options", [PLAIN, OTP, Options(on_doubt=OnDoubt.HOLD)], ids=["plain", "key", "careful"])
async def test_no_dot_after_the_deadline(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, options: Options
) -> None:
    """The host answers MAIL when the time is over: nothing arrives, and the sender hears that it was too late."""
    receiver.wait_at_mail.clear()
    deadline = time.time() + 600
    await rig.register(1, options=replace(options, deadline=deadline))
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 601)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.settler.counts[Kind.EXPIRED] == 1)
    assert receiver.messages == []
    assert rig.settler.counts[Kind.BOUNCED] == 1
    assert rig.settler.counts[Kind.IN_DOUBT] == 0


@pytest.mark.parametrize(
    "halted",
    [Halted(sites=frozenset({"example.com"})), Halted(clients=frozenset({"less.nankai.edu.cn"}))],
    ids=["site", "client"],
)
async def test_nothing_is_begun_of_what_was_paused(rig: Rig, receiver: Receiver, halted: Halted) -> None:
    """What waits in the bag goes back untried; the ten under way finish."""
    receiver.wait_at_mail.clear()
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 10)
    await rig.settled(lambda: rig.tools.bag.messages == 30)
    rig.dispatch.call_back(Halted(frozenset({"elsewhere.example"}), frozenset({"other.example"}), frozenset({77})))
    assert rig.tools.bag.messages == 30
    rig.dispatch.call_back(halted)
    await rig.settled(lambda: rig.tools.bag.messages <= 10)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert len(receiver.messages) <= 10
    assert rig.states() == [State.READY] * (30 - len(receiver.messages))
    assert all(recipient.tries == 0 for recipient in rig.spool.queued()[0])


@pytest.fixture
def desk(rig: Rig, tmp_path: Path) -> Iterator[SqliteDesk]:
    opened = open_desk(str(tmp_path / "spool.db"))
    yield opened
    opened.close()


@pytest.mark.parametrize("policy", list(OnDoubt))
async def test_no_dot_for_what_was_recalled(rig: Rig, receiver: Receiver, desk: SqliteDesk, policy: OnDoubt) -> None:
    """The host has answered nothing to MAIL yet: the letter comes back, held, and nobody has it."""
    receiver.wait_at_mail.clear()
    await rig.register(3, options=Options(on_doubt=policy))
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 3)
    recalled = desk.recall(Order(Act.HOLD, "jia"), Filter())
    assert len(recalled.asked) == 3
    rig.dispatch.call_back(rig.spool.halted(OWNER, time.time()))
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert receiver.messages == []
    assert rig.states() == [State.HELD] * 3
    assert rig.settler.counts[Kind.HELD] == 3
    assert desk.left(recalled.places) == 0


async def test_what_was_recalled_in_the_bag_goes_back_at_once(rig: Rig, receiver: Receiver, desk: SqliteDesk) -> None:
    """While the host stands still; and the connections carry the next ones afterwards."""
    receiver.wait_at_mail.clear()
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 10)
    last = rig.spool.queued()[0][-1].queue_id
    desk.recall(Order(Act.HOLD, "jia"), Filter(ids=(last,)))
    rig.dispatch.call_back(rig.spool.halted(OWNER, time.time()))
    await rig.settled(lambda: rig.states().count(State.HELD) == 1)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 29


async def test_past_its_dot_a_letter_has_its_outcome(rig: Rig, receiver: Receiver, desk: SqliteDesk) -> None:
    """It was recalled too late: delivered, and that is what its history says."""
    receiver.wait_at_dot.clear()
    await rig.register(1)
    [waiting] = rig.spool.queued()[0]
    await rig.send()
    await receiver.at_dot_now.wait()
    recalled = desk.recall(Order(Act.DROP, "jia"), Filter())
    rig.dispatch.call_back(rig.spool.halted(OWNER, time.time()))
    assert desk.left(recalled.places) == 1
    receiver.wait_at_dot.set()
    await rig.settled(lambda: not rig.states())
    assert desk.left(recalled.places) == 0
    assert len(receiver.messages) == 1
    kinds = [line.kind for line in desk.histories([waiting.queue_id])[waiting.queue_id]]
    assert kinds == [Kind.ACCEPTED, Kind.DELIVERED]


async def test_a_recall_is_of_one_claim(rig: Rig, receiver: Receiver, desk: SqliteDesk) -> None:
    """The courier that was told goes on with the next letter, and that one is sent."""
    receiver.wait_at_mail.clear()
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    desk.recall(Order(Act.HOLD, "jia"), Filter())
    rig.dispatch.call_back(rig.spool.halted(OWNER, time.time()))
    await rig.register(1)
    await rig.send()
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.states() == [State.HELD]
    assert len(receiver.messages) == 1
