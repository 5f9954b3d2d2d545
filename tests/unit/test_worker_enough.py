"""How many connections a receiver gets: no more than it takes, without a letter's paying for that; and how they end."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from partner_rig import Partners, partner
from worker_rig import Receiver

from hedwig.settings import SiteRule, Source, Worker
from hedwig.spool import Kind, State
from hedwig.verdict import SiteWord
from hedwig.worker.slots import Slots
from hedwig.worker.ways import Ways

URGENT, NORMAL, BULK = range(3)
DOMAIN = "example.com"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    made.wait_at_mail.set()
    assert made.server is not None
    await made.close()


@pytest.fixture
async def make(tmp_path: Path, receiver: Receiver):
    with_close = Partners(tmp_path, receiver)
    yield with_close.make
    await with_close.close()


def provider(rig):
    [found] = rig.tools.bag.providers()
    return found


async def test_a_receiver_that_takes_three_connections_gets_three(make, receiver):
    """What would have gone on the others goes on these: none is deferred, none charged with a try."""
    rig = make()
    receiver.most = 3
    receiver.wait_at_mail.clear()
    await rig.register(40)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: receiver.turned_away > 0 and receiver.open == 3)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    assert rig.settler.counts[Kind.DEFERRED] == 0
    assert provider(rig).allowed() == 3
    assert receiver.turned_away <= 3, "five were tried at first"
    tried = receiver.turned_away
    await rig.register(40)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    assert receiver.turned_away == tried


async def test_one_that_has_enough_of_other_workers_keeps_its_mail_untried(make, receiver, tmp_path):
    """It may not say so for ever: then it is a host that gives no session."""
    rig = make()
    other = Slots(str(tmp_path / "run"), "2")
    assert other.take("partner", "", 20) == 0
    receiver.most = 0
    for _ in range(5):
        await rig.register(1)
        await rig.send_all(DOMAIN)
        await rig.settled(lambda: rig.tools.bag.messages == 0)
        assert set(rig.states()) == {State.READY}
        provider(rig).no_slot_before = 0.0
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: rig.settler.counts[Kind.DEFERRED] == 1)
    assert {recipient.tries for recipient in rig.spool.queued()[0]} == {0}, "a 421 is charged to no letter"
    other.close()


async def test_alone_421_is_a_host_that_gives_no_session(make, receiver):
    rig = make()
    receiver.most = 0
    await rig.register(10)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert rig.settler.counts[Kind.DEFERRED] >= 1
    route = await rig.router.route(DOMAIN)
    assert rig.tools.bag.of(route.site).failures == 1


async def test_a_receiver_that_takes_all_gets_as_many_as_its_rule_allows(make, receiver):
    rig = make(connections=9)
    receiver.at_dot = lambda _number: b"250 ok\r\n"
    for _ in range(4):
        receiver.wait_at_mail.clear()
        await rig.register(60)
        await rig.send_all(DOMAIN)
        await rig.settled(lambda: receiver.open == provider(rig).allowed())
        receiver.wait_at_mail.set()
        await rig.settled(lambda: not rig.states())
    assert receiver.most_open == 9


async def test_connections_end_with_quit(make, receiver):
    """When they are worn, when the receiver wants rest, and when the worker stops."""
    rig = make(connections=1, messages_per_connection=3)
    await rig.register(4)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    assert (receiver.connections, receiver.quits) == (2, 1)
    for family in ("ipv4", "ipv6"):
        rig.tools.resting.heed("partner", "", family, SiteWord(600.0, 0, "421 4.7.0 slow down"))
    assert rig.tools.resting.apply(provider(rig))
    rig.dispatch.rest(provider(rig))
    await rig.settled(lambda: receiver.quits == 2 and not rig.dispatch.connections)


async def test_idle_connections_end_with_quit_when_the_worker_stops(make, receiver):
    rig = make()
    await rig.register(1)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    rig.dispatch.wind_down()
    await rig.settled(lambda: receiver.quits == 1)


async def test_a_word_on_rest_ends_the_other_connections_of_the_worker_that_heard_it(make, receiver):
    """Not only the one on which it was said; and what waits for them goes back."""
    rig = make(connections=2)
    receiver.wait_at_mail.clear()
    await rig.register(20)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: receiver.open == 2)
    [courier, *_] = rig.dispatch._couriers
    courier._heed(SiteWord(600.0, 0, "421 4.7.0 slow down"), "")
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.dispatch.connections and rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 2
    assert rig.states() == [State.READY] * 18


async def test_an_idle_connection_to_a_family_that_rests_carries_nothing_more(make, receiver):
    rig = make(connections=1)
    await rig.register(1)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    rig.tools.resting.heed("partner", "", "ipv4", SiteWord(600.0, 0, "421 4.7.0 slow down"))
    await rig.register(1)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 1 and rig.states() == [State.READY]


async def test_fewer_connections_are_in_force_while_there_is_mail(make, receiver):
    """Settings that were read again, or a bound of the receiver's own."""
    rig = make(connections=6)
    receiver.wait_at_mail.clear()
    await rig.register(40)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: receiver.open == 5)
    rig.router.ways = Ways(partner(connections=2, messages_per_connection=10), rig.tools.closed_for)
    await rig.register(1)
    await rig.send_all(DOMAIN)
    receiver.wait_at_mail.set()
    await rig.settled(lambda: receiver.open == 2)
    await rig.settled(lambda: not rig.states())
    assert receiver.quits >= 3 and provider(rig).allowed() == 2


async def test_an_urgent_letter_to_another_site_of_a_receiver_waits_for_one_letter_only(make, receiver):
    """All connections are busy with another domain's bulk, a hundred letters each."""
    rig = make(connections=2)
    receiver.wait_at_mail.clear()
    await rig.register(30, "bulk.example", priority=BULK, body=b"S: bulk\r\n\r\n")
    await rig.send_all("bulk.example")
    await rig.settled(lambda: receiver.open == 2)
    await rig.register(1, "other.example", priority=BULK, body=b"S: other\r\n\r\n")
    await rig.register(1, "urgent.example", priority=URGENT, body=b"S: urgent\r\n\r\n")
    await rig.send_all("other.example", "urgent.example")
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    order = [content.split(b"\r\n")[0] for content in receiver.messages]
    assert order.index(b"S: urgent") < 6
    assert order.index(b"S: urgent") < order.index(b"S: other")


async def test_a_busy_site_gets_the_idle_connections_of_another_one_of_its_receiver(make, receiver):
    """The other one had them all, and keeps them for two seconds where nobody waits."""
    rig = make(connections=4)
    receiver.wait_at_mail.clear()
    await rig.register(4, "first.example")
    await rig.send_all("first.example")
    await rig.settled(lambda: receiver.open == 4)
    await rig.register(40, "second.example")
    await rig.send_all("second.example")
    started = time.monotonic()
    receiver.wait_at_mail.set()
    await rig.settled(lambda: not rig.states())
    assert time.monotonic() - started < 2.0
    assert receiver.connections >= 7


async def test_nobody_is_called_upon_for_whom_there_is_no_token(make, receiver):
    rig = make(per_minute=20)
    await rig.register(5)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert (receiver.connections, len(receiver.messages)) == (1, 1)


async def test_without_a_token_for_a_connection_those_that_are_open_go_on(make, receiver):
    rig = make(connections_per_minute=20)
    await rig.register(30)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    assert receiver.connections == 1


async def test_each_dial_has_its_token(make, receiver, monkeypatch):
    """The first host is dead: the second one's connection counts, too. It is waited for."""
    rig = make(connections_per_minute=20)
    taken = []
    take = rig.tools.allowances.get

    async def get(site, rates, soon, patience):
        taken.append((rates[0].kind, soon))
        return await take(site, tuple(replace(rate, limit=6000) for rate in rates), soon, patience)

    monkeypatch.setattr(rig.tools.allowances, "get", get)
    resolver = rig.router._resolver

    class Two:
        exchangers = staticmethod(resolver.exchangers)

        async def addresses(self, host):
            found = await resolver.addresses(host)
            return replace(found, addresses=("127.0.0.9", *found.addresses))

    rig.router._resolver = Two()
    await rig.register(1)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    assert taken == [("connections a minute", 1)] * 2


async def test_while_a_new_source_has_had_its_share_the_other_one_carries_the_rest(make, receiver):
    today = time.strftime("%Y-%m-%d", time.gmtime())
    sources = {"main": Source(ipv4="127.0.0.2"), "new": Source(ipv4="127.0.0.3", warm_up=today)}
    rig = make(settings=Worker(sites={"default": SiteRule()}, sources=sources, warm_up=(3,)))
    await rig.register(8)
    for _ in range(6):
        await rig.send_all(DOMAIN)
        await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert not rig.states()
    assert set(receiver.sources) == {"127.0.0.2", "127.0.0.3"}
    assert receiver.sources.count("127.0.0.3") == 1, "three a day: one at once"


async def test_what_is_left_of_tokens_goes_back_when_the_worker_stops(make, receiver):
    rig = make(per_minute=200)
    await rig.register(3)
    await rig.send_all(DOMAIN)
    await rig.settled(lambda: not rig.states())
    await rig.tools.allowances.give_back(everything=True)
    rates = rig.tools.message_rates(await rig.router.route(DOMAIN))
    got = 0
    while await rig.tools.allowances.take("partner", "", rates, 10) is None:
        got += 1
    assert 7 <= got <= 8, "ten at once, three of them sent"
    await asyncio.sleep(0)
