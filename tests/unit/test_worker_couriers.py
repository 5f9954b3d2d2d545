"""Couriers, dispatch and settling over a real spool, against scripted receivers on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from worker_rig import Receiver, Rig

from hedwig import queueid
from hedwig.envelope import Envelope, digest
from hedwig.options import Options, Priority
from hedwig.spool import Bytes, Kind, NewMessage, State
from hedwig.worker.route import Route


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


async def test_many_messages_share_few_connections(rig: Rig, receiver: Receiver) -> None:
    await rig.register(100)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 100
    assert receiver.connections <= 20
    assert rig.tools.bag.messages == 0


async def test_a_few_letters_are_left_to_the_connection_that_is_at_work(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another connection costs more than they do, where there are hundreds of receivers with a few letters each."""
    monkeypatch.setattr("hedwig.worker.dispatch.WORTH_ONE_MORE", 60.0)
    receiver.wait_at_mail.clear()
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    await rig.register(2)
    await rig.send()
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    assert (len(receiver.messages), receiver.connections) == (3, 1)


async def test_letters_do_not_wait_for_one_that_takes_long(rig: Rig, receiver: Receiver) -> None:
    """Where the connection at work does none of what was left to it for a moment, each gets one of its own."""
    receiver.wait_at_mail.clear()
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 3)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())


async def test_what_is_urgent_is_left_to_nobody(rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedwig.worker.dispatch.WORTH_ONE_MORE", 60.0)
    receiver.wait_at_mail.clear()
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    await rig.register(1, priority=Priority.URGENT)
    await rig.send(priority=Priority.URGENT)
    await rig.settled(lambda: receiver.at_mail == 2)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())


async def test_a_kept_connection_that_the_receiver_closed_costs_nothing(rig: Rig, receiver: Receiver) -> None:
    receiver.close_after = 1
    for _ in range(3):
        await rig.register(1)
        await rig.send()
        await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 3
    assert rig.settler.counts[Kind.DEFERRED] == 0


async def test_the_reply_to_the_dot_lost_is_in_doubt_and_not_sent_again_at_once(rig: Rig, receiver: Receiver) -> None:
    receiver.at_dot = lambda number: None
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.IN_DOUBT] == 1)
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    assert len(receiver.messages) == 1
    assert rig.spool.queued()[0][0].due > time.time() + 50


async def test_superseded_under_way_and_refused_for_now(rig: Rig, receiver: Receiver) -> None:
    """It isn't tried again: journal and counts say by what, and nothing of it is left in the spool."""
    receiver.at_dot = lambda number: b"450 4.7.1 later\r\n"
    receiver.wait_at_dot.clear()
    otp = Options(supersede="otp")
    await rig.register(1, options=otp)
    await rig.send()
    await receiver.at_dot_now.wait()
    await rig.register(1, options=otp)
    receiver.wait_at_dot.set()
    await rig.settled(lambda: rig.settler.counts[Kind.SUPERSEDED] == 1)
    assert rig.states() == [State.READY]
    assert rig.settler.counts[Kind.DEFERRED] == 1


async def test_stopping_waits_for_the_reply_to_a_dot(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_dot.clear()
    await rig.register(1)
    await rig.send()
    await receiver.at_dot_now.wait()
    stopping = asyncio.create_task(rig.dispatch.stop(10))
    await asyncio.sleep(0)
    receiver.wait_at_dot.set()
    await stopping
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    assert len(receiver.messages) == 1


async def test_stopping_hands_back_what_no_dot_has_gone_out_for(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_mail.clear()
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: receiver.connections > 0)
    await rig.dispatch.stop(10)
    await rig.settled(lambda: rig.states() == [State.READY] * 30)
    receiver.wait_at_mail.set()
    assert receiver.messages == []
    assert all(recipient.tries == 0 for recipient in rig.spool.queued()[0])


async def test_a_reply_that_never_comes_is_in_doubt_when_patience_ends(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_dot.clear()
    await rig.register(1)
    await rig.send()
    await receiver.at_dot_now.wait()
    await rig.dispatch.stop(0.05)
    await rig.settled(lambda: rig.settler.counts[Kind.IN_DOUBT] == 1)
    receiver.wait_at_dot.set()


async def test_a_dead_first_host_is_followed_by_the_second(tmp_path: Path, receiver: Receiver) -> None:
    port = await receiver.start()
    rig = Rig(tmp_path, {"dead.example.com": "127.0.0.2", "mx.example.com": "127.0.0.1"}, port)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    await rig.close()


async def test_a_dead_site_costs_one_try_of_one_message(tmp_path: Path, receiver: Receiver) -> None:
    """I9: the others go back untouched, and nothing more is claimed while the site cools."""
    rig = Rig(tmp_path, {"dead.example.com": "127.0.0.2"}, await receiver.start())
    await rig.register(30)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    states = rig.states()
    assert states.count(State.READY) >= 20
    route = await rig.router.route("example.com")
    assert isinstance(route, Route)
    assert rig.tools.bag.capacity(route.site, time.monotonic()) == 0
    assert rig.hinted, "what was handed back is hinted again"
    await rig.close()


async def test_more_recipients_than_one_transaction_takes(rig: Rig, receiver: Receiver) -> None:
    """The rest of a delivery is handed back, and goes in the next transaction: nobody gets it twice."""
    now = time.time()
    envelope = Envelope("a@example.org", tuple(f"r{number}@example.com" for number in range(120)))
    body = b"S: x\r\n\r\nhi\r\n"
    message = NewMessage(
        queueid.new(), "c", envelope, Bytes(body), digest(envelope, [body]), now, now + 999, envelope.by_destination()
    )
    await asyncio.wrap_future(rig.spool.register([message]))
    for left in (70, 20, 0):
        await rig.send()
        await rig.settled(lambda left=left: len(rig.states()) == left and rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 3


async def test_eight_bit_text_and_dots_arrive_as_they_are(rig: Rig, receiver: Receiver) -> None:
    body = "S: x\r\n\r\n.\r\n..\r\n你好\r\n".encode() + b"\xc4\xe3\r\n"
    await rig.register(1, body=body)
    await rig.send()
    await rig.settled(lambda: len(receiver.messages) == 1)
    arrived = receiver.messages[0][: -len(b".\r\n")]
    assert b"\r\n".join(line[1:] if line[:1] == b"." else line for line in arrived.split(b"\r\n")) == body


async def test_no_spool_no_loss(rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """While outcomes can't be written they are kept, and written later: a delivered message isn't sent again."""
    from concurrent.futures import Future

    from hedwig.spool import Settled, Settlement, SpoolTrouble
    from hedwig.worker import settle

    monkeypatch.setattr(settle, "TROUBLE_PAUSE", 0.01)
    real, refusals = rig.spool.settle, iter([True, True])

    def full(settlements: "list[Settlement]") -> "Future[list[Settled]]":
        if next(refusals, False):
            failed: Future[list[Settled]] = Future()
            failed.set_exception(SpoolTrouble("disk full"))
            return failed
        return real(settlements)

    monkeypatch.setattr(rig.settler, "_spool", type("Spool", (), {"settle": staticmethod(full)}))
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: rig.settler.trouble == "disk full")
    await rig.settled(lambda: not rig.states())
    await rig.settled(lambda: rig.settler.trouble == "")
    assert len(receiver.messages) == 3


async def test_no_dot_goes_out_between_the_end_of_a_courier_and_its_hearing_of_it(rig: Rig, receiver: Receiver) -> None:
    """A connection acts on what it hears by itself: 354 may come in the very turn in which its courier is cancelled."""
    receiver.wait_at_mail.clear()
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    for courier in rig.dispatch._couriers:
        courier.withhold()
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.dispatch.connections)
    await rig.dispatch.stop(5)
    await rig.settled(lambda: rig.states() == [State.READY])
    assert receiver.messages == []
    assert rig.settler.counts[Kind.IN_DOUBT] == 0
