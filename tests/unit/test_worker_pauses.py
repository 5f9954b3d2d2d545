"""What a worker says to the feeder of a destination that it takes no mail for, and until when that lasts."""

import time

from hedwig.routing import Site
from hedwig.spool import NORMAL, Stream
from hedwig.spool.stops import paused_because
from hedwig.worker.bag import Bag
from hedwig.worker.pauses import REST_MOST, Pauses
from hedwig.worker.route import Route

NOW = 1_800_000_000.0
SITE = Site("mx.example.com", provider="example")


def told(bag: Bag) -> tuple[float, float]:
    """For how long it is paused, and for how long what it is paused for lasts."""
    pause = Pauses(bag).of(Stream("example.com", NORMAL), Route("example.com", SITE, ()), NOW)
    return round(pause.until - NOW), round(pause.lasts - NOW) if pause.lasts else 0


def test_a_receiver_that_rests_is_looked_at_each_minute_and_its_end_is_told() -> None:
    bag, now = Bag(), time.monotonic()
    bag.of(SITE).provider.rest(now + 1800, now, "450 come later")
    assert told(bag) == (REST_MOST, 1800)


def test_one_family_that_rests_where_there_is_no_other() -> None:
    """The site steps back for a minute; the rest of all its addresses goes on."""
    bag = Bag()
    bag.of(SITE).step_back(time.monotonic(), "mx.example.com is left alone for a while", 40.0, 1800.0)
    assert told(bag) == (40, 1800)


def test_what_an_operator_has_paused_has_its_end_elsewhere() -> None:
    bag, now = Bag(), time.monotonic()
    bag.of(SITE).provider.rest(now + 1e9, now, paused_because("example"))
    assert told(bag) == (REST_MOST, 0)


def test_the_end_of_a_pause_is_of_that_one_alone() -> None:
    """A rest that was said after it, of the same destination, is another one."""
    bag = Bag()
    pauses = Pauses(bag)
    provider = bag.of(SITE).provider
    stream, route = Stream("example.com", NORMAL), Route("example.com", SITE, ())
    busy = pauses.of(stream, route, NOW, 10)
    provider.rest(time.monotonic() + 1800, time.monotonic(), "450 come later")
    rest = pauses.of(stream, route, NOW + 0.1)
    [end] = pauses.drained(provider, NOW + 0.2)
    assert (end.since, end.until) == (busy.since, NOW + 0.2)
    assert end.since != rest.since
    assert pauses.drained(provider, NOW + 0.2) == []


def test_half_of_what_is_there_once_it_has_come() -> None:
    """Not before: what is on its way must not look carried."""
    bag = Bag()
    pauses = Pauses(bag)
    provider = bag.of(SITE).provider
    pauses.of(Stream("example.com", NORMAL), Route("example.com", SITE, ()), NOW, 10)
    assert provider.low == -1
    provider.waiting[NORMAL] = 10
    pauses.said()
    assert provider.low == 5


def test_what_is_over_is_forgotten() -> None:
    bag = Bag()
    pauses = Pauses(bag)
    for name in ("a.example", "b.example"):
        pauses.of(Stream(name, NORMAL), Route(name, SITE, ()), NOW, 10)
    pauses.forget(NOW + 1)
    assert len(pauses._busy) == 1
    pauses.forget(NOW + 60)
    assert not pauses._busy
