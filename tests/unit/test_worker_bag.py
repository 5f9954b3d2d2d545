"""The bag: how much may be claimed for a site (I9)."""

from hedwig.routing import Site
from hedwig.spool import Claim, Recipient
from hedwig.worker import bag as bags
from hedwig.worker.bag import Bag

SITE = Site("mx.example.com")


def claim(number: int, octets: int = 100) -> Claim:
    return Claim(
        delivery=number,
        token=1,
        message=number,
        queue_id="01",
        client="less.nankai.edu.cn",
        mailfrom="a@example.org",
        destination="example.com",
        recipients=(Recipient(0, "b@example.com", 0, 0.0, ""),),
        size=octets,
        smtputf8=False,
        accepted_at=0.0,
        expires_at=1e9,
        warned=False,
        origin="",
        content=b"x" * octets,
    )


def test_a_new_site_gets_its_connections_and_little_more() -> None:
    assert Bag().capacity(SITE, 0.0) == bags.CONNECTIONS + bags.AHEAD_NEW


def test_a_tarpit_holds_no_more_than_its_share() -> None:
    bag = Bag()
    state = bag.of(SITE, 0.0)
    state.couriers = bags.CONNECTIONS
    for number in range(bags.AHEAD_LEAST):
        bag.put(SITE, claim(number))
    assert bag.capacity(SITE, 10.0) == 0
    assert bag.capacity(Site("other"), 10.0) > 0


def test_a_quick_site_may_have_a_seconds_worth() -> None:
    bag = Bag()
    state = bag.of(SITE)
    state.finished(0.01)
    assert bag.capacity(SITE, 100.0) == bags.CONNECTIONS + 1000
    for _ in range(50):
        state.finished(30.0)
    assert bag.capacity(SITE, 100.0) == bags.CONNECTIONS + bags.AHEAD_LEAST


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
    waits = [state.failed(0.0, "down") for _ in range(8)]
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert waits[-1] == bags.COOLING_MOST


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
    bag.more_connections = False
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
