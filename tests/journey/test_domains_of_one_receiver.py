"""A letter to two domains with the same MX goes in one transaction, whichever of two workers has heard of it."""

from collections.abc import Callable
from typing import Any

import pytest

from .crowd import Crowd
from .farside import Rule
from .submit import SAMPLE, Post
from .waiting import until
from .world import World

BODY = SAMPLE.replace(b"\n", b"\r\n")
RECORDS = (
    "one.example. MX 10 mx.partner.example.\ntwo.example. MX 10 mx.partner.example.\nmx.partner.example. A 192.0.2.1"
)
LETTERS = 40


@pytest.mark.parametrize(("one_domain", "transactions"), [(False, LETTERS), (True, 2 * LETTERS)])
def test_goes_once_or_once_for_each_where_the_receiver_wants_that(
    world: World, one_domain: bool, transactions: int
) -> None:
    """One letter at a time, each to both: with one hint for each domain, that either worker may get."""
    far = Crowd(("192.0.2.1",))
    world.at_end(far.close)
    world.dns(RECORDS)
    worker = {"sites": {"partner": {"mx": [".partner.example"], "one_domain": one_domain}}}
    host = world.host(worker=worker).start("beanstalkd", "postoffice", "worker-1", "worker-2")
    for number in range(LETTERS):
        whom = (f"a{number}@one.example", f"b{number}@two.example")
        host.http.batch([Post(whom, BODY)])
        until("both", came_to(far, *whom))
    assert not far.twice
    assert len(far.carried) == transactions


def came_to(far: Crowd, *whom: str) -> Callable[[], Any]:
    """Whether each of these has the letter."""
    return lambda: set(whom) <= far.came.keys()


def test_each_recipient_has_an_outcome_of_its_own(world: World) -> None:
    """One is delivered, one is refused and reported, one is put off and gets it later: in the same transaction."""
    world.dns(RECORDS)
    far = world.far(
        "192.0.2.1",
        Rule("rcpt", "550 5.1.1 no such user", to="nobody@two.example"),
        Rule("rcpt", "450 4.2.1 later", to="later@two.example", times=1),
    )
    home = world.far("192.0.2.9")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    [queue_id] = host.http.batch([Post(("a@one.example", "nobody@two.example", "later@two.example"), BODY)])
    until("both letters and the report", lambda: len(far.copies()) == 2 and home.accepted())
    assert far.copies() == {"a@one.example": 1, "later@two.example": 1}
    assert [letter.rcpttos for letter in far.accepted()] == [("a@one.example",), ("later@two.example",)]
    assert b"nobody@two.example" in home.accepted()[0].content
    history = host.history(queue_id)
    assert all(word in history for word in ("a@one.example", "5.1.1", "4.2.1"))
