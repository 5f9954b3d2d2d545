"""The bag: how much may be claimed for a site (I9)."""

from collections import Counter
from dataclasses import replace

import pytest

from hedwig.pace import FIRST
from hedwig.routing import Site
from hedwig.settings import SiteRule
from hedwig.spool import NORMAL, Claim, Recipient
from hedwig.worker import bag as bags
from hedwig.worker.bag import Bag
from hedwig.worker.connections import Connections
from hedwig.worker.provider import AHEAD_LEAST, AHEAD_NEW, Provider
from hedwig.worker.waitlist import Waitlist

SITE = Site("mx.example.com")
URGENT, BULK = 0, 2


def claim(number: int, octets: int = 100, priority: int = NORMAL, tries: int = 0) -> Claim:
    return Claim(
        delivery=number,
        token=1,
        message=number,
        queue_id="01",
        client="less.nankai.edu.cn",
        mailfrom="a@example.org",
        destination="example.com",
        recipients=(Recipient(0, "b@example.com", tries, 0.0, ""),),
        size=octets,
        smtputf8=False,
        accepted_at=0.0,
        expires_at=1e9,
        warned=False,
        origin="",
        content=b"x" * octets,
        priority=priority,
    )


def test_a_new_site_gets_its_connections_and_little_more() -> None:
    assert Bag().capacity(SITE, 0.0) == int(FIRST) + AHEAD_NEW


def test_a_receiver_that_is_known_from_before_gets_as_many_connections_as_it_took() -> None:
    bag = Bag({(SITE.name, ""): 12.0})
    assert bag.capacity(SITE, 0.0) == 12 + AHEAD_NEW
    assert bag.capacity(SITE, 0.0, rule=SiteRule(connections=2)) == 2 + AHEAD_NEW


def test_sites_of_one_receiver_share_its_connections_and_what_may_wait() -> None:
    bag = Bag()
    one, two = Site("one.mx.example", "partner"), Site("two.mx.example", "partner")
    state = bag.of(one, 0.0, SiteRule(connections=1))
    assert bag.of(two).provider is state.provider
    state.couriers = state.provider.couriers = 1
    assert bag.capacity(two, 10.0) == AHEAD_LEAST
    for number in range(AHEAD_LEAST):
        bag.put(one, claim(number))
    assert bag.capacity(two, 10.0) == 0
    assert bag.capacity(Site("one.mx.example", "partner", "other source"), 10.0) > 0


def test_a_receiver_that_rests_gets_nothing_at_any_of_its_sites() -> None:
    bag = Bag()
    provider = bag.of(Site("one.mx.example", "partner")).provider
    assert provider.rest(160.0, 100.0, "421 slow down")
    assert not provider.rest(170.0, 101.0, "421 slow down"), "no news"
    assert bag.capacity(Site("two.mx.example", "partner"), 150.0) == 0
    assert bag.capacity(Site("two.mx.example", "partner"), 171.0) == 1 + AHEAD_LEAST
    provider.rest(0.0, 120.0, "")
    assert bag.capacity(Site("two.mx.example", "partner"), 121.0) > 0


def test_where_other_workers_have_all_connections_nothing_is_claimed() -> None:
    bag = Bag()
    bag.of(SITE).provider.no_slot_before = 100.0
    assert bag.capacity(SITE, 99.0) == 0
    assert bag.capacity(SITE, 101.0) > 0


def _busy(bag: Bag) -> None:
    """All connections of SITE are at work."""
    state = bag.of(SITE, 0.0)
    state.couriers = state.provider.couriers = SiteRule().connections


def test_a_tarpit_holds_no_more_than_its_share() -> None:
    bag = Bag()
    _busy(bag)
    for number in range(AHEAD_LEAST):
        bag.put(SITE, claim(number))
    assert bag.capacity(SITE, 10.0) == 0
    assert bag.capacity(Site("other"), 10.0) > 0


def test_a_quick_site_may_have_a_seconds_worth() -> None:
    bag = Bag()
    provider = bag.of(SITE).provider
    provider.window.size = 10.0
    provider.open = 10
    provider.finished(0.01, 0.0)
    assert bag.capacity(SITE, 100.0) == 11 + 1100
    provider.open = 20
    for _ in range(50):
        provider.finished(30.0, 0.0)
    assert bag.capacity(SITE, 100.0) == SiteRule().connections + AHEAD_LEAST


def test_a_cooling_site_gets_nothing_then_one_probe_then_all() -> None:
    bag = Bag()
    state = bag.of(SITE)
    wait = state.failed(100.0, "mx.example.com: connection refused")
    assert bag.capacity(SITE, 100.0 + wait - 1) == 0
    assert bag.capacity(SITE, 100.0 + wait + 1) == 1
    bag.put(SITE, claim(1))
    assert bag.capacity(SITE, 100.0 + wait + 1) == 0
    state.answered()
    assert bag.capacity(SITE, 100.0 + wait + 1) > 1


def test_cooling_doubles_up_to_its_bound() -> None:
    state = Bag().of(SITE)
    waits = [state.failed(1000.0 * number, "down") for number in range(8)]
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert waits[-1] == bags.COOLING_MOST


def test_connections_that_fail_together_are_one_failure() -> None:
    """Ten connections and a receiver that is gone for a moment: a minute of rest, and not fifteen."""
    state = Bag().of(SITE)
    waits = [state.failed(100.0 + number, "down") for number in range(10)]
    assert waits == [60.0 - number for number in range(10)]
    assert state.failures == 1 and state.not_before == 160.0


def test_the_bag_is_bounded() -> None:
    bag = Bag()
    for number in range(bags.MOST_MESSAGES):
        bag.put(SITE, claim(number))
    assert bag.room() == 0
    assert bag.capacity(Site("other"), 0.0) == 0
    for _ in range(bags.MOST_MESSAGES):
        bag.settled()
    assert bag.messages == 0


def test_a_site_without_a_connection_gets_nothing_while_there_are_none_left() -> None:
    bag = Bag()
    bag.of(SITE).couriers = 1
    bag.connections = Connections(0)
    assert bag.capacity(SITE, 0.0) > 0
    assert bag.capacity(Site("other"), 0.0) == 0


def test_a_site_rests_a_moment_when_we_have_no_connection_for_it() -> None:
    bag = Bag()
    bag.of(SITE).step_back(100.0, "too many open files")
    assert bag.capacity(SITE, 100.0 + bags.STEP_BACK / 2) == 0
    assert bag.capacity(SITE, 100.0 + bags.STEP_BACK) > 1


def test_sites_with_nothing_going_on_are_forgotten_but_failures_are_remembered() -> None:
    bag = Bag()
    bag.of(Site("quiet"))
    bag.of(Site("down")).failed(0.0, "refused")
    bag.forget_idle(1000.0)
    assert [state.site.key for state in bag.sites()] == ["down"]
    bag.forget_idle(100_000.0)
    assert bag.sites() == []


def test_who_is_next() -> None:
    """Better priorities first; in each what was never tried, in the order of coming; what was put back before all."""
    counts: Counter[int] = Counter()
    line = Waitlist([counts])
    for number, (priority, tries) in enumerate([(2, 0), (1, 3), (1, 0), (0, 1), (1, 0), (0, 0), (2, 1)]):
        line.append(claim(number, priority=priority, tries=tries))
    assert counts == {URGENT: 2, NORMAL: 3, BULK: 2}
    first = line.popleft()
    assert first.delivery == 5
    back = line.popleft()
    line.appendleft(back)
    assert [line.popleft().delivery for _ in range(len(line))] == [3, 2, 4, 1, 0, 6]
    assert not line and not counts.total()


def test_companions_are_of_one_message_and_as_many_as_fit() -> None:
    """They go in one transaction: the bound is one of recipients, and of domains where the receiver wants that."""
    line = Waitlist()
    first = claim(1)
    for number, domain in ((2, "one.example"), (3, "two.example"), (4, "example.com"), (5, "three.example")):
        line.append(replace(claim(number), message=1, destination=domain))
    line.append(claim(6))
    assert [each.delivery for each in line.companions(first, 1, one_domain=True)] == [4]
    assert [each.delivery for each in line.companions(first, 2, one_domain=False)] == [2, 3]
    assert line.companions(first, 0, one_domain=False) == []
    assert [each.delivery for each in line.companions(first, 9, one_domain=False)] == [5]
    assert line.companions(first, 9, one_domain=False) == []
    assert line.popleft().delivery == 6 and not line


def test_what_is_taken_out_leaves_the_others_in_their_order() -> None:
    counts: Counter[int] = Counter()
    line = Waitlist([counts])
    for number, priority in ((1, BULK), (2, NORMAL), (3, NORMAL), (4, BULK), (5, URGENT)):
        line.append(claim(number, priority=priority))
    assert sorted(each.delivery for each in line.take(lambda each: each.delivery in (3, 4))) == [3, 4]
    assert line.take(lambda each: each.delivery == 3) == []
    assert len(line) == 3 and counts == {URGENT: 1, NORMAL: 1, BULK: 1}
    assert [line.popleft().delivery for _ in range(3)] == [5, 2, 1]


def test_a_site_that_is_full_of_bulk_has_room_for_better_mail() -> None:
    """As much as if bulk were not there; of what is worse there may be no more than of what is better."""
    bag = Bag()
    _busy(bag)
    for number in range(AHEAD_LEAST):
        bag.put(SITE, claim(number, priority=BULK))
    room = [bag.capacity(SITE, 10.0, priority) for priority in (URGENT, NORMAL, BULK)]
    assert room == [AHEAD_LEAST, AHEAD_LEAST, 0]
    for number in range(4):
        bag.put(SITE, claim(100 + number, priority=URGENT))
    room = [bag.capacity(SITE, 10.0, priority) for priority in (URGENT, NORMAL, BULK)]
    assert room == [AHEAD_LEAST - 4, AHEAD_LEAST - 4, 0]


def test_a_full_bag_has_room_for_urgent_mail() -> None:
    bag = Bag()
    for number in range(bags.MOST_MESSAGES):
        bag.put(Site(f"s{number % 100}"), claim(number, priority=NORMAL + number % 2))
    assert (bag.room(URGENT), bag.room(NORMAL), bag.room(BULK)) == (bags.KEPT_MESSAGES, 0, 0)
    assert bag.capacity(SITE, 0.0, URGENT) > 0 and bag.capacity(SITE, 0.0, NORMAL) == 0


@pytest.mark.parametrize("flood", [URGENT, NORMAL, BULK])
def test_no_priority_fills_the_bag(flood: int) -> None:
    """What waits for broken receivers leaves a tenth to the others, also where it is urgent (I9)."""
    bag = Bag()
    number = 0
    while bag.room(flood):
        number += 1
        bag.put(Site(f"dead{number % 1000}"), claim(number, priority=flood))
    assert number >= 0.9 * bags.MOST_MESSAGES
    for other in {URGENT, NORMAL, BULK} - {flood}:
        assert bag.room(other) >= 50 and bag.capacity(SITE, 0.0, other) >= 50
    bag.of(Site("dead1")).waiting.popleft()
    assert bag.room(flood) == 1


def test_the_last_connections_are_for_urgent_mail() -> None:
    connections = Connections(100)
    opened = []
    for priority in (BULK, NORMAL, URGENT):
        while connections.may_open(priority):
            connections.opened(priority)
            opened.append(priority)
    assert [opened.count(priority) for priority in (BULK, NORMAL, URGENT)] == [90, 5, 5]
    connections.closed(URGENT)
    assert connections.may_open(URGENT) and not connections.may_open(NORMAL)


def test_no_priority_has_all_connections() -> None:
    """A flood of bounces to receivers that are dead leaves a twentieth to others' mail, and more (I9)."""
    connections = Connections(100)
    while connections.may_open(URGENT):
        connections.opened(URGENT)
    assert len(connections) == 90 and connections.scarce
    assert connections.may_open(NORMAL) and connections.may_open(BULK)
    single = Connections(1)
    assert [single.may_open(priority) for priority in (URGENT, NORMAL, BULK)] == [True] * 3
    single.opened(BULK)
    assert not single.may_open(URGENT)


def test_one_slow_message_says_little_of_a_quick_receiver() -> None:
    """At 1 ms each one of 50 ms leaves room for hundreds; a receiver that takes a second each is known after a few."""
    quick, slow = Provider("quick"), Provider("slow")
    for _ in range(200):
        quick.finished(0.001, 100.0)
    quick.finished(0.050, 100.0)
    assert quick.pace < 0.0025
    slow.finished(5.0, 100.0)
    for _ in range(15):
        slow.finished(1.0, 100.0)
    assert slow.pace < 1.2
