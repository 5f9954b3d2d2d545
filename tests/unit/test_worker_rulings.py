"""Couriers under the rules of replies.yml: connections that are worn, hosts that block us, addresses without mail."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from worker_rig import Receiver, Rig

from hedwig.classify.table import Table
from hedwig.config.replies import load_rules
from hedwig.settings import SITES
from hedwig.spool import Kind, State
from hedwig.spool.desk import open_desk
from hedwig.spool.suppressed import Suppression
from hedwig.verdict import SiteWord
from hedwig.worker.settle import Ending

TABLE = Table(load_rules(None, SITES))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    yield made
    await made.close()


def ruled(rig: Rig) -> Rig:
    rig.tools.rules = dataclasses.replace(rig.tools.rules, table=TABLE, suppress=1000.0)
    return rig


@pytest.fixture
async def rig(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Rig]:
    made = ruled(Rig(tmp_path, {"mx.example.com": "127.0.0.1"}, await receiver.start()))
    yield made
    await made.close()


def endings(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[Ending]:
    """What is given to the settler from now on."""
    seen: list[Ending] = []
    add = rig.settler.add

    def watched(ending: Ending) -> None:
        seen.append(ending)
        add(ending)

    monkeypatch.setattr(rig.settler, "add", watched)
    return seen


async def test_a_worn_connection_is_ended_and_the_letter_is_due_at_once(rig: Rig, receiver: Receiver) -> None:
    receiver.at_dot = lambda number: b"451 MI:DMC 163\r\n" if number == 1 else b"250 ok\r\n"
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: not rig.states())
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == 1)
    assert rig.spool.queued()[0][0].due <= time.time()
    await rig.send()
    await rig.settled(lambda: not rig.states())
    assert (len(receiver.messages), receiver.connections) == (3, 2)


async def test_whoever_blocks_us_is_not_asked_at_the_next_door(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the greeting says goes to the letter at hand, uncounted, and to who minds the way to the site."""
    port = await receiver.start()
    rig = ruled(Rig(tmp_path, {"mx1.example.com": "127.0.0.1", "mx2.example.com": "127.0.0.1"}, port))
    receiver.greeting = b"554 5.7.1 Client host [127.0.0.1] blocked using dnsbl.example\r\n"
    seen = endings(rig, monkeypatch)
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED] and rig.tools.bag.messages == 0)
    assert receiver.connections == 1
    [row] = rig.spool.queued()[0]
    assert row.tries == 0
    assert row.due > time.time() + 3500
    said = "554 5.7.1 Client host [127.0.0.1] blocked using dnsbl.example"
    assert [word for one in seen for word in one.conclusion.words] == [SiteWord(3600.0, 0, said, "blocked", True, "")]
    await rig.close()


async def test_another_host_may_take_what_one_has_no_ptr_for(tmp_path: Path, receiver: Receiver) -> None:
    port = await receiver.start()
    other = Receiver()
    other.greeting = b"554 5.7.1 no reverse DNS for your address\r\n"
    other.server = await asyncio.start_server(other.session, "127.0.0.2", port)
    rig = ruled(Rig(tmp_path, {"mx1.example.com": "127.0.0.2", "mx2.example.com": "127.0.0.1"}, port))
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)
    assert other.connections == 1
    await rig.close()
    await other.close()


async def test_what_a_rule_understands_counts_before_what_the_last_host_said(
    tmp_path: Path, receiver: Receiver
) -> None:
    """The second host is dead: that tells an operator nothing."""
    receiver.greeting = b"554 5.7.1 no reverse DNS for your address\r\n"
    port = await receiver.start()
    rig = ruled(Rig(tmp_path, {"mx1.example.com": "127.0.0.1", "mx2.example.com": "127.0.0.2"}, port))
    await rig.register(1)
    await rig.send()
    await rig.settled(lambda: rig.states() == [State.DEFERRED] and rig.tools.bag.messages == 0)
    [row] = rig.spool.queued()[0]
    assert row.last_reply == "554 5.7.1 no reverse DNS for your address"
    await rig.close()


async def test_a_bad_mailbox_gets_no_second_letter(rig: Rig, receiver: Receiver) -> None:
    """The first one is refused and puts the address on the list; of the second letter's recipients only the other is
    asked about, and gets it."""
    receiver.refused = b"gone@"
    await rig.register(1, to=("gone@example.com",))
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.FAILED] == 1)
    receiver.refused = b"nobody at all"
    await rig.register(1, to=("Gone@example.com", "here@example.com"))
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.FAILED] == 2 and rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 0
    assert rig.hinted, "the other recipient goes on at once"
    await rig.send()
    await rig.settled(lambda: not [row for row in rig.spool.queued()[0] if row.destination == "example.com"])
    assert len(receiver.messages) == 1
    assert rig.settler.counts[Kind.BOUNCED] == 2


async def test_an_address_without_mail_needs_no_connection(tmp_path: Path, rig: Rig, receiver: Receiver) -> None:
    desk = open_desk(str(tmp_path / "spool.db"))
    desk.suppress([Suppression("b@example.com", time.time(), time.time() + 100, "jia", "left the company")])
    desk.close()
    await rig.register(3)
    await rig.send()
    await rig.settled(lambda: rig.settler.counts[Kind.FAILED] == 3)
    assert receiver.connections == 0
