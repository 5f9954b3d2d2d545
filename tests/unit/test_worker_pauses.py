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
