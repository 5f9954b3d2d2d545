"""Words about this host that may be one customer's of a receiver: they stop its mail when two domains hear them."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from partner_rig import Partners, Scene, partner
from worker_rig import Receiver

from hedwig.classify.providers import Providers
from hedwig.classify.table import Table
from hedwig.config.replies import load_rules
from hedwig.settings import SITES
from hedwig.spool import Kind
from hedwig.verdict import SiteWord
from hedwig.worker import resting

TABLE = Table(load_rules(None, SITES))
BLOCKED = b"550 5.7.1 your IP address is blocked using Spamhaus\r\n"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    assert made.server is not None
    await made.close()


@pytest.fixture
async def rig(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Scene]:
    with_close = Partners(tmp_path, receiver)
    made = with_close.make(same=("one.example", "two.example"))
    rules = made.tools.rules
    made.tools.rules = replace(rules, table=TABLE, providers=Providers(partner().sites))
    yield made
    await with_close.close()


def rests(rig: Scene) -> bool:
    return rig.tools.resting.families("partner", "") > 0


async def deferred(rig: Scene, count: int) -> None:
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == count and rig.tools.bag.messages == 0)


async def test_one_domains_word_keeps_that_letter_alone(rig: Scene, receiver: Receiver) -> None:
    """However often it comes; others' letters go on, and the one letter is charged with no try."""
    receiver.at_dot = lambda _number: BLOCKED
    for number in range(3):
        await rig.register(1, "one.example")
        await rig.send_all("one.example")
        await deferred(rig, number + 1)
    assert not rests(rig)
    rows = rig.spool.queued()[0]
    assert all(row.tries == 0 and row.due > time.time() + 3000 for row in rows)
    receiver.at_dot = lambda _number: b"250 ok\r\n"
    await rig.register(1, "two.example")
    await rig.send_all("two.example")
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 1)


async def test_two_domains_are_witnesses(rig: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "APART", 0.0)
    receiver.at_dot = lambda _number: BLOCKED
    await rig.register(1, "one.example")
    await rig.send_all("one.example")
    await deferred(rig, 1)
    await rig.register(1, "two.example")
    await rig.send_all("two.example")
    await deferred(rig, 2)
    assert rests(rig)


async def test_what_one_transaction_heard_for_two_domains_is_one_word(rig: Scene, receiver: Receiver) -> None:
    receiver.at_dot = lambda _number: BLOCKED
    await rig.register(1, to=("a@one.example", "b@two.example"))
    await rig.send_all("one.example", "two.example")
    await deferred(rig, 2)
    assert len(receiver.messages) == 1
    assert not rests(rig)


async def test_its_own_word_counts_at_once(rig: Scene, receiver: Receiver) -> None:
    receiver.at_dot = lambda _number: b"451 4.7.650 rate limited\r\n"
    await rig.register(1, "one.example")
    await rig.send_all("one.example")
    await deferred(rig, 1)
    assert rests(rig)


async def test_an_old_word_is_no_witness(rig: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a busy receiver's words, which come many a second, are."""
    now = 1_000_000_000.0
    monkeypatch.setattr(resting.time, "time", lambda: now)

    def heed(domain: str) -> bool:
        word = SiteWord(60.0, 0, "550 blocked", witness=domain)
        rig.tools.resting.heed("partner", "", "ipv4", word)
        return rig.tools.resting.of("partner", "", "ipv4") is not None

    assert not heed("one.example")
    now += resting.WITNESSED
    assert not heed("two.example")
    for step in range(10):
        now += 0.2
        rested = heed(("one.example", "two.example")[step % 2])
    assert rested
