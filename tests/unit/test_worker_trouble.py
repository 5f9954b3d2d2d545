"""What goes wrong in the worker itself, or with TLS: no message pays for it, and nothing stays claimed (I8, I9)."""

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from worker_rig import Names, Receiver, Rig

from hedwig.mx import AddressAnswer, AddressesFound, Exchanger, MxAnswer, MxFound, MxUnknown
from hedwig.reply import Stage
from hedwig.settings import SiteRule, Worker
from hedwig.smtp import ConnectFailed, Deadlines, Said, Target, connection
from hedwig.smtp.connection import Connection, Dial
from hedwig.spool import NORMAL, Kind, SpoolTrouble, State
from hedwig.worker import errand, sessions
from hedwig.worker.delivery import Conclusion
from hedwig.worker.dots import DotMarks, path_of
from hedwig.worker.heirs import free_predecessors
from hedwig.worker.ways import Ways


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


async def test_no_descriptors_left_costs_no_try_and_cools_no_site(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_left(target: Target) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(sessions, "dial", none_left)
    await rig.register(5)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.states() == [State.READY] * 5
    assert {recipient.tries for recipient in rig.spool.queued()[0]} == {0}
    (state,) = rig.tools.bag.sites()
    assert state.failures == 0
    assert 0 < state.not_before - time.monotonic() < 10


async def test_hosts_that_no_nameserver_tells_cost_no_try(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MX is known, and then the nameservers are gone (I8)."""

    async def unknown(host: str) -> AddressAnswer:
        return MxUnknown(f"addresses of {host}: no answer", gone=5.0)

    monkeypatch.setattr(rig.router._resolver, "addresses", unknown)
    await rig.register(5)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.states() == [State.READY] * 5
    assert {recipient.tries for recipient in rig.spool.queued()[0]} == {0}


async def test_one_address_under_many_names_gets_a_bounded_number_of_connections(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other name's mail waits a moment, untried; where it is a site's own doing, one that has connections, its mail
    waits for those."""

    class Own(Names):
        async def exchangers(self, domain: str) -> MxAnswer:
            return MxFound((Exchanger(10, f"mx.{domain}"),))

        async def addresses(self, host: str) -> AddressAnswer:
            return AddressesFound(("127.0.0.1",))

    monkeypatch.setattr(rig.router, "_resolver", Own({}))
    monkeypatch.setattr(sessions, "MOST_PER_ADDRESS", 3)
    rig.router.ways = Ways(Worker(sites={"default": SiteRule(connections=3)}))
    receiver.wait_at_mail.clear()
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 3)
    await rig.register(2, "example.org")
    await rig.send("example.org")
    await rig.settled(lambda: rig.tools.bag.messages == 3)
    assert receiver.connections == 3
    assert {recipient.tries for recipient in rig.spool.queued()[0]} == {0}
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 3)
    await rig.dispatch.stop(5)
    assert not rig.tools.addresses


async def test_tls_that_breaks_after_the_handshake_is_broken_tls(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TLS 1.3 host's refusal of us arrives at our first EHLO inside TLS."""
    real = connection.connect

    async def broken(dial: Dial, target: Target, ehlo: str, limits: Deadlines, **how: Any) -> Connection:
        if how["security"].starttls:
            raise ConnectFailed(target, Said(Stage.EHLO, None, "certificate required"), within_tls=True)
        return await real(dial, target, ehlo, limits, security=how["security"])

    monkeypatch.setattr(sessions, "connect", broken)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    assert rig.tools.broken.why("127.0.0.1") == "certificate required"


async def test_an_unreadable_message_gets_its_outcome_all_the_same(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It expired, and its body can't be read: the bounce goes without the original's header."""

    def gone(message: int) -> None:
        raise SpoolTrouble("the body is not whole")

    await rig.register(1, body=b"x" * 50_000)
    due = [waiting.delivery for waiting in rig.spool.due("example.com", time.time(), 10)]
    (claim,) = await asyncio.wrap_future(rig.spool.claim(due, "host/1", time.time(), (), 100))
    monkeypatch.setattr(rig.spool, "body", gone)
    rig.dispatch.give_up(replace(claim, expires_at=1.0))
    await rig.settled(lambda: rig.settler.counts[Kind.EXPIRED] == 1)
    assert [waiting.destination for waiting in rig.hinted] == ["example.org"]


async def test_a_fault_of_ours_puts_off_and_counts_no_try(rig: Rig) -> None:
    await rig.register(1)
    due = [waiting.delivery for waiting in rig.spool.due("example.com", time.time(), 10)]
    (claim,) = await asyncio.wrap_future(rig.spool.claim(due, "host/1", time.time()))
    rig.dispatch.put_off(claim, "a fault")
    await rig.settled(lambda: rig.states() == [State.DEFERRED])
    (recipient,) = rig.spool.queued()[0]
    assert recipient.tries == 0
    assert rig.tools.bag.messages == 0


async def test_no_connection_left_for_a_new_site_hands_back(rig: Rig, receiver: Receiver) -> None:
    rig.tools.bag.connections.most = 1
    receiver.wait_at_mail.clear()
    await rig.register(1)
    await rig.register(1, destination="[127.0.0.1]")
    await rig.send()
    await rig.settled(lambda: receiver.at_mail == 1)
    assert not rig.tools.bag.connections.may_open(NORMAL)
    await rig.send("[127.0.0.1]")
    await rig.settled(lambda: sorted(rig.states()) == [State.ACTIVE, State.READY])
    receiver.wait_at_mail.set()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)


async def test_winding_down_ends_with_the_message_at_hand(rig: Rig, receiver: Receiver) -> None:
    receiver.wait_at_dot.clear()
    await rig.register(40)
    await rig.send()
    await receiver.at_dot_now.wait()
    rig.dispatch.wind_down()
    receiver.wait_at_dot.set()
    await rig.dispatch.stop(5)
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert len(receiver.messages) <= 10
    assert len(rig.states()) == 40 - len(receiver.messages)


async def test_claims_from_before_the_host_was_renamed_are_freed_with_their_doubts(rig: Rig, tmp_path: Path) -> None:
    """I5: the dot marks are read for all names of this worker before a new one begins without any."""
    await rig.register(2)
    now = time.time()
    due = [waiting.delivery for waiting in rig.spool.due("example.com", now, 10)]
    claims = await asyncio.wrap_future(rig.spool.claim(due, "old-name/1", now))
    dots = path_of(str(tmp_path / "state"), "1")
    DotMarks(dots).mark(claims[0].delivery, claims[0].token)
    loop = asyncio.get_running_loop()
    ready = await loop.run_in_executor(None, free_predecessors, rig.spool, "new-name/1", dots, rig.tools.rules.retry)
    assert [waiting.delivery for waiting in ready] == [claims[1].delivery]
    assert sorted(rig.states()) == [State.DEFERRED, State.READY]
    assert rig.spool.owners() == []


@pytest.mark.parametrize(
    ("at_dot", "states", "told", "doubts"),
    [
        (b"250 2.0.0 ok\r\n", [], Kind.DELIVERED, 0),
        (b"554 5.6.0 no\r\n", [State.DEFERRED], Kind.DEFERRED, 0),
        (None, [State.DEFERRED], Kind.IN_DOUBT, 1),
    ],
)
async def test_what_cannot_be_judged_stays_in_nobodys_hands(
    rig: Rig,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    at_dot: bytes | None,
    states: list[State],
    told: Kind,
    doubts: int,
) -> None:
    """What has arrived has, what may have is in doubt; all else waits, and no try is counted (I4, I5, I8)."""
    _break_judging(monkeypatch)
    receiver.at_dot = lambda number: at_dot
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.states() == states
    assert rig.settler.counts[told] == 1
    assert [(each.tries, each.doubts) for each in rig.spool.queued()[0]] == [(doubts, doubts)] * len(states)


async def test_a_stop_leaves_nothing_claimed_though_it_cannot_be_judged(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dot is out, no reply comes, and what is made of that breaks (I5, I10)."""
    _break_judging(monkeypatch)
    receiver.wait_at_dot.clear()
    await rig.register(1)
    await rig.send()
    await receiver.at_dot_now.wait()
    await rig.dispatch.stop(0.05)
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert [(each.state, each.doubts) for each in rig.spool.queued()[0]] == [(State.DEFERRED, 1)]
    receiver.wait_at_dot.set()


def _break_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: object) -> Conclusion:
        raise RuntimeError("a rule tripped")

    monkeypatch.setattr(errand, "conclude", broken)
