"""What a receiver's limits do to couriers: rates, rest, one connection for several sites, one transaction for several
domains; over a real spool and scripted receivers."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from partner_rig import Partners, Scene, partner
from worker_rig import Receiver

from hedwig.spool import Kind, State, receivers, stops
from hedwig.spool.job import Job
from hedwig.spool.operate import Pausing, StopKind
from hedwig.verdict import SiteWord


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    made.wait_at_mail.set()
    await made.close()


@pytest.fixture
async def make(tmp_path: Path, receiver: Receiver):
    with_close = Partners(tmp_path, receiver)
    yield with_close.make
    await with_close.close()


async def test_one_message_to_several_domains_of_a_site_goes_once(make, receiver):
    rig = make(same=("one.example", "two.example"))
    receiver.refused = b"nobody@two.example"
    await rig.register(1, to=("a@one.example", "b@two.example", "nobody@two.example"))
    await rig.send_all("one.example", "two.example")
    await rig.settled(lambda: rig.settler.counts[Kind.DELIVERED] == 2 and rig.settler.counts[Kind.FAILED] == 1)
    assert len(receiver.messages) == 1
    await rig.settled(lambda: rig.tools.bag.messages == 0)


@pytest.mark.parametrize(
    ("rule", "transactions"), [({"one_domain": True}, 2), ({"recipients": 1}, 2), ({"recipients": 2}, 1)]
)
async def test_as_far_as_the_receiver_allows_it(make, receiver, rule, transactions):
    rig = make(same=("one.example", "two.example"), **rule)
    await rig.register(1, to=("a@one.example", "b@two.example"))
    await rig.send_all("one.example", "two.example")
    await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == transactions


async def test_in_doubt_is_every_claim_of_the_transaction(make, receiver):
    rig = make(same=("one.example", "two.example"))
    receiver.at_dot = lambda _number: None
    await rig.register(1, to=("a@one.example", "b@two.example"))
    await rig.send_all("one.example", "two.example")
    await rig.settled(lambda: rig.settler.counts[Kind.IN_DOUBT] == 2)
    assert len(receiver.messages) == 1


async def test_sites_of_one_receiver_share_its_connection(make, receiver):
    """One connection is allowed: each site gets it in turn, though it is kept for two seconds where nobody waits."""
    rig = make(connections=1)
    for number in range(4):
        await rig.register(3, f"d{number}.example")
    started = time.monotonic()
    await rig.send_all(*(f"d{number}.example" for number in range(4)))
    await rig.settled(lambda: not rig.states())
    assert time.monotonic() - started < 2.0, "an idle connection made room at once"
    assert receiver.connections == 4 and len(receiver.messages) == 12
    await rig.settled(lambda: rig.tools.bag.messages == 0)


async def test_a_rate_that_is_used_up_sends_the_others_back_untouched(make, receiver):
    rig = make(per_minute=20)
    await rig.register(10)
    await rig.send_all("example.com")
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert len(receiver.messages) == 1, "a twentieth may go at once"
    assert rig.states() == [State.READY] * 9
    assert {recipient.tries for recipient in rig.spool.queued()[0]} == {0}
    route = await rig.router.route("example.com")
    assert rig.tools.bag.capacity(route.site, time.monotonic()) == 0
    assert "20 a minute" in rig.tools.bag.of(route.site).provider.dry


async def test_a_receiver_that_wants_rest_gets_it_from_all_workers(make, receiver):
    rig = make()
    await rig.register(1)
    await rig.send_all("example.com")
    await rig.settled(lambda: not rig.states())
    route = await rig.router.route("example.com")
    rig.tools.resting.heed("partner", "", "ipv4", SiteWord(600.0, 0, "421 4.7.0 slow down"))
    await rig.settled(lambda: bool(receivers.backoffs(rig.spool, time.time())))
    provider = rig.tools.bag.of(route.site).provider
    assert not rig.tools.resting.apply(provider), "IPv6 is still free"
    rig.tools.resting.heed("partner", "", "ipv6", SiteWord(600.0, 0, "421 4.7.0 slow down"))
    assert rig.tools.resting.apply(provider)
    assert rig.tools.bag.capacity(route.site, time.monotonic()) == 0
    await rig.settled(lambda: len(receivers.backoffs(rig.spool, time.time())) == 2)
    receivers.lift(rig.spool, ["partner"], time.time()).result()
    rig.tools.resting.take(rig.tools.resting.look())
    rig.tools.resting.apply(provider)
    assert rig.tools.bag.capacity(route.site, time.monotonic()) > 0


async def test_while_one_family_rests_the_other_is_tried(make, receiver):
    """Here the receiver has none of the other: its mail goes back, untried; it is looked at again from time to time,
    for the operator may end the rest."""
    rig = make()
    await rig.register(2)
    rig.tools.resting.heed("partner", "", "ipv4", SiteWord(600.0, 0, "421 4.7.0 slow down"))
    await rig.send_all("example.com")
    await rig.settled(lambda: rig.tools.bag.messages == 0)
    assert receiver.connections == 0 and rig.states() == [State.READY] * 2
    route = await rig.router.route("example.com")
    state = rig.tools.bag.of(route.site)
    assert 50 < state.not_before - time.monotonic() <= 60


async def test_a_connection_carries_as_many_as_the_receiver_takes(make, receiver):
    rig = make(connections=1, messages_per_connection=3)
    await rig.register(10)
    await rig.send_all("example.com")
    await rig.settled(lambda: not rig.states())
    assert receiver.connections == 4


async def test_a_source_of_ours_is_where_it_comes_from(tmp_path, receiver):
    """127.0.0.2 is this machine's, too."""
    from hedwig.settings import Source

    worker = replace(partner(), sources={"main": Source(ipv4="127.0.0.2", ehlo="two.robot.genee.cn")})
    rig = Scene(tmp_path, {"mx.example.com": "127.0.0.1"}, receiver.server.sockets[0].getsockname()[1], worker)
    await rig.register(1)
    await rig.send_all("example.com")
    await rig.settled(lambda: not rig.states())
    await rig.close()
    assert receiver.sources == ["127.0.0.2"]


async def test_a_receiver_that_an_operator_has_paused_by_name_gets_nothing(make, receiver):
    """For none of its domains, from none of our sources; afterwards all is as it was."""
    rig = make()
    await rig.register(3)
    route = await rig.router.route("example.com")
    provider = rig.tools.bag.of(route.site, rule=route.rule).provider
    rig.spool.put(Job(pause, [Pausing(StopKind.SITE, "partner", time.time(), "jia")])).result(10)
    rig.tools.resting.take(rig.tools.resting.look())
    assert rig.tools.resting.apply(provider)
    assert rig.tools.bag.capacity(route.site, time.monotonic()) == 0
    assert provider.why(time.monotonic()) == "an operator has paused partner"
    assert rig.tools.closed_for("partner", "")[0] > 0
    assert rig.tools.resting.until("other", "") == 0.0
    rig.spool.put(Job(go_on, ["partner"])).result(10)
    rig.tools.resting.take(rig.tools.resting.look())
    rig.tools.resting.apply(provider)
    await rig.send_all("example.com")
    await rig.settled(lambda: not rig.states())
    assert len(receiver.messages) == 3


def pause(db, orders):
    return [stops.put(db, order) for order in orders]


def go_on(db, names):
    return [stops.lift(db, StopKind.SITE, name, time.time()) for name in names]
