"""Bounds that hold in corners: a rest that is spoken of twice, lots of tokens, endless look-ups, fellow deliveries."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from partner_rig import Partners, partner
from worker_rig import Receiver

from hedwig.classify.table import Table
from hedwig.config.replies import load_rules
from hedwig.rates import Rate
from hedwig.routing import Site
from hedwig.settings import SITES, SiteRule, Smarthost, Tls, Worker
from hedwig.settings.receivers import DomainRule
from hedwig.spool import NORMAL, Kind, Preview, receivers
from hedwig.spool.desk import open_desk
from hedwig.verdict import SiteWord
from hedwig.worker import aside as asides
from hedwig.worker import dispatch as dispatching
from hedwig.worker import sessions
from hedwig.worker.addresses import Addresses
from hedwig.worker.bag import Bag
from hedwig.worker.connections import Connections
from hedwig.worker.provider import FULL_MOST, Provider
from hedwig.worker.route import Route
from hedwig.worker.wanted import Wanted

DAYLONG = (Rate("day", 1000, 86400.0),)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    assert made.server is not None
    await made.close()


@pytest.fixture
async def make(tmp_path: Path, receiver: Receiver):
    with_close = Partners(tmp_path, receiver)
    yield with_close.make
    await with_close.close()


@pytest.mark.parametrize(
    "later", [SiteWord(5.0, 0, "450 slow"), SiteWord(5.0, 2, "421 too many"), SiteWord(0.0, 2, "421")]
)
async def test_a_shorter_rest_ends_no_longer_one(make, later):
    """From the moment on at which it is heard, and when the spool has both."""
    rig = make()
    resting = rig.tools.resting
    resting.heed("partner", "", "ipv4", SiteWord(600.0, 0, "550 blocked"))
    resting.heed("partner", "", "ipv4", later)
    rests = []
    for _ in range(2):
        known = resting.of("partner", "", "ipv4")
        rests.append((known.until - time.time() > 590, known.connections))
        await rig.settled(lambda: not resting._tasks)
    assert rests == [(True, later.connections)] * 2
    [stored] = receivers.backoffs(rig.spool, time.time())
    assert stored.until - time.time() > 590 and stored.connections == later.connections


async def test_the_fewer_connections_hold(make):
    resting = make().tools.resting
    for most in (3, 7):
        resting.heed("partner", "", "ipv4", SiteWord(60.0, most, "421 too many"))
    assert resting.of("partner", "", "ipv4").connections == 3


async def test_what_is_left_of_an_old_lot_is_not_lost(make, monkeypatch):
    """A lot of ten of which one was used is stale; with the next one eleven are gone from the rate, not twenty."""
    monkeypatch.setattr("hedwig.worker.allowance.LOT_TIME", 0.0)
    rig = make()

    def gone() -> float:
        at = receivers.tokens_at(rig.spool, "partner", "", ["day"])["day"]
        return round((at - began) / 86.4)

    began = time.time()
    assert await rig.tools.allowances.take("partner", "", DAYLONG, 10) is None
    first = gone()
    assert await rig.tools.allowances.take("partner", "", DAYLONG, 10) is None
    assert gone() - first == 1


async def test_who_stands_in_line_gets_none_where_this_worker_has_none_left(make, receiver):
    """The receiver has room for it again; meanwhile other receivers have taken what this worker may open."""
    rig = make(connections=1)
    receiver.wait_at_mail.clear()
    await rig.register(1, "one.example")
    await rig.register(1, "two.example")
    await rig.send_all("one.example", "two.example")
    await rig.settled(lambda: receiver.at_mail == 1)
    taken = Connections(20)
    for _ in range(19):
        taken.opened(NORMAL)
    rig.tools.bag.connections = taken
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.tools.bag.messages)
    assert receiver.connections == 1 and len(rig.states()) == 1


def test_who_was_turned_away_is_not_forgotten_at_once():
    """Else it would be as bold again, and the pauses not grow."""
    bag = Bag()
    site = Site("mx.example.com")
    provider = bag.of(site, 0.0).provider
    provider.full(10.0)
    for now, known in ((10.5, True), (11.0 + FULL_MOST / 2, True), (12.0 + FULL_MOST, False)):
        bag.forget_idle(now)
        assert (provider in bag.providers()) == known


def test_slots_that_others_have_are_remembered():
    provider = Provider("partner", no_slot_before=5.0)
    assert [provider.forgettable(now) for now in (4.0, 5.0)] == [False, True]


def test_no_more_fellows_than_a_transaction_takes():
    """Of a letter to a thousand domains of one site, each claim brings along what fits with it."""
    route = Route("a.example", Site("mx", "partner"), (), rule=SiteRule(recipients=10))
    fellows = [_preview(number) for number in range(50)]
    wanted = Wanted({}, {("a.example", ""): route}, companions=fellows)
    assert wanted.going_along({(1, route.site)}) == list(range(9))
    single = replace(route, rule=SiteRule(recipients=10, one_domain=True))
    assert replace(wanted, routes={("a.example", ""): single}).going_along({(1, route.site)}) == []


def _preview(number: int) -> Preview:
    return Preview(number, "a.example", 100, 9e9, message=1, hinted=False)


async def test_a_smarthost_says_nothing_of_a_mailbox_elsewhere(tmp_path, make, receiver):
    """Its "no such user" fails the letter, and the address stays off the list."""
    receiver.refused = b"gone@"
    ways = replace(
        partner(),
        smarthosts={
            "office": Smarthost(host="127.0.0.1", port=receiver.server.sockets[0].getsockname()[1], tls=Tls.NONE)
        },
        domains={"example.com": DomainRule(smarthost="office")},
    )
    rig = make(settings=ways)
    rig.tools.rules = replace(rig.tools.rules, table=Table(load_rules(None, SITES)), suppress=1000.0)
    await rig.register(1, to=("gone@example.com",))
    await rig.send_all("example.com")
    await rig.settled(lambda: rig.settler.counts[Kind.FAILED] == 1 and not rig.tools.bag.messages)
    desk = open_desk(str(tmp_path / "spool.db"))
    listed = desk.suppressed("", "", 10)
    desk.close()
    assert receiver.connections == 1 and not listed


async def test_look_ups_in_flight_are_bounded(monkeypatch):
    """What is more waits in the spool, its destination paused for a moment; and no empty task is made."""
    monkeypatch.setattr(asides, "MOST_LOOKUPS", 2)
    aside = asides.Aside(find=None, claim=None, tell=None)
    loop = asyncio.get_running_loop()
    paused = []
    for number in range(4):
        answer: asyncio.Future = loop.create_future()
        paused += aside.put((f"d{number}.example", ""), [_preview(number)], answer)
    assert [pause.destination for pause in paused] == ["d2.example", "d3.example"]
    assert [f"d{number}.example" in aside for number in range(4)] == [True, True, False, False]
    await aside.stop()
    assert "d0.example" not in aside


async def test_domains_that_share_a_full_host_do_not_wait_for_each_others_idle_connections(make, receiver, monkeypatch):
    """One connection is allowed there. Once somebody was turned away none is kept idle for two seconds."""
    monkeypatch.setattr(sessions, "MOST_PER_ADDRESS", 1)
    rig = make(settings=Worker(sites={"default": SiteRule(connections=1)}))
    await rig.register(2, "one.example")
    await rig.register(1, "two.example")
    await rig.send_all("one.example")
    await rig.settled(lambda: len(receiver.messages) == 2)
    await rig.send_all("two.example")
    await rig.settled(lambda: not rig.tools.bag.messages)
    assert len(receiver.messages) == 2, "its host is full"
    await rig.register(1, "one.example")
    await rig.send_all("one.example")
    began = time.monotonic()
    await rig.settled(lambda: receiver.quits == 1)
    assert time.monotonic() - began < 1.5
    assert len(receiver.messages) == 3


def test_a_full_host_is_crowded_for_a_moment():
    addresses = Addresses()
    assert [addresses.enter("192.0.2.1", 2, 0.0) for _ in range(3)] == [True, True, False]
    assert [addresses.is_crowded("192.0.2.1", now) for now in (0.0, 4.9, 5.0, 4.9)] == [True, True, False, False]
    addresses.leave("192.0.2.1")
    assert addresses.enter("192.0.2.1", 2, 6.0)
    assert not addresses.is_crowded("192.0.2.2", 0.0)


async def test_what_is_left_to_a_connection_that_has_begun_to_carry_waits_a_moment_only(make, receiver, monkeypatch):
    """While the first connection opens, others wait long for it. Once it has carried something they don't: its second
    letter hangs, and the third gets a connection of its own."""
    monkeypatch.setattr(dispatching, "OPENING", 600.0)

    def first(number: int) -> bytes:
        if number == 0:
            receiver.wait_at_dot.clear()
        return b"250 2.0.0 ok\r\n"

    receiver.at_dot = first
    receiver.wait_at_mail.clear()
    rig = make()
    await rig.register(2, "one.example")
    await rig.send_all("one.example")
    await rig.settled(lambda: receiver.at_mail == 1)
    await rig.register(1, "one.example")
    await rig.send_all("one.example")
    assert receiver.connections == 1
    [state] = rig.tools.bag.sites()
    state.provider.pace = 1e-6  # too quick for another connection to be worth it
    receiver.wait_at_mail.set()
    await rig.settled(lambda: receiver.connections == 2)
    assert not rig.settler.counts[Kind.IN_DOUBT], "the second letter hangs yet"
    receiver.wait_at_dot.set()
    await rig.settled(lambda: len(receiver.messages) == 3)
