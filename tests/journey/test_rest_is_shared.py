"""What one worker has heard of a receiver that wants rest holds for all of them, and for those that start later."""

import time
from typing import Any

import pytest

from hedwig.spool import receivers
from hedwig.spool.receivers import Backoff
from hedwig.spool.sqlite import open_spool

from .crowd import Crowd, Manner
from .host import Host
from .submit import SAMPLE, Post
from .waiting import until
from .world import World, mx

BODY = SAMPLE.replace(b"\n", b"\r\n")
LETTERS = 4000
HEARD_WITHIN = 2.5  # seconds: workers look every second


def say(host: Host, *words: Backoff) -> None:
    """Write these into the spool, as a worker would."""
    spool = open_spool(str(host.spool), create=False)
    for word in words:
        receivers.back_off(spool, word).result(30)
    spool.close()


def lift(host: Host, receiver: str) -> None:
    """What the operator does."""
    spool = open_spool(str(host.spool), create=False)
    receivers.lift(spool, [receiver], time.time()).result(30)
    spool.close()


def rest(receiver: str, source: str, seconds: float, **more: Any) -> list[Backoff]:
    now = time.time()
    return [
        Backoff(receiver, f"{source}/{family}", now, now + seconds, reason="421 4.7.0 slow down", **more)
        for family in ("ipv4", "ipv6")
    ]


def quiet_for(far: Crowd, seconds: float) -> bool:
    """Whether nothing has come for so long."""
    return not far.carried or time.monotonic() - far.carried[-1].at > seconds


@pytest.fixture
def far(world: World) -> Crowd:
    made = Crowd(("192.0.2.1", "192.0.2.2"), Manner(dot=0.05))
    world.at_end(made.close)
    world.dns(
        "one.example. MX 10 a.mx.partner.example.\na.mx.partner.example. A 192.0.2.1",
        "two.example. MX 10 b.mx.partner.example.\nb.mx.partner.example. A 192.0.2.2",
        mx("163.com", "192.0.2.3"),
    )
    return made


def test_both_workers_stop_at_all_sites_and_new_ones_do_not_begin(world: World, far: Crowd) -> None:
    """Other receivers are not concerned; and when the operator ends it all goes on."""
    other = Crowd(("192.0.2.3",))
    world.at_end(other.close)
    host = world.host(worker={"sites": {"partner": {"mx": [".mx.partner.example"]}}})
    host.start("beanstalkd", "postoffice", "worker-1", "worker-2")
    posts = [Post((f"a{number}@{('one', 'two')[number % 2]}.example",), BODY) for number in range(LETTERS)]
    host.http.batch(posts)
    until("mail by both workers to both sites", lambda: len(far.calls) >= 12 and len(far.carried) > 100)
    say(host, *rest("partner", "", 600.0))
    said = time.monotonic()
    until("rest", lambda: quiet_for(far, 1.0))
    assert far.carried[-1].at - said < HEARD_WITHIN
    until("no connection", lambda: not far.open)
    for name in ("worker-1", "worker-2"):
        host[name].kill()
        host.start(name)
    calls = len(far.calls)
    host.http.batch([Post((f"user{number}@163.com",), BODY) for number in range(50)])
    until("mail to others", lambda: len(other.came) == 50)
    host.http.batch([Post((f"late{number}@one.example",), BODY) for number in range(20)])
    time.sleep(2.0)  # long enough for whoever would begin
    assert len(far.calls) == calls
    lift(host, "partner")
    until("all letters", lambda: len(far.came) == LETTERS + 20, seconds=90)
    # Those that were under way when the workers died: nobody else may have come twice.
    assert not far.twice


def test_a_bound_on_connections_holds_for_all_workers_together(world: World, far: Crowd) -> None:
    """The receiver has said that it wants two at the most."""
    host = world.host(worker={"sites": {"partner": {"mx": [".mx.partner.example"]}}})
    host.start("beanstalkd", "postoffice", "worker-1", "worker-2")
    host.http.batch([Post((f"a{number}@one.example",), BODY) for number in range(LETTERS)])
    until("more than two", lambda: far.open > 4)
    say(host, *rest("partner", "", 0.0, connections=2))
    until("two", lambda: far.open <= 2, seconds=HEARD_WITHIN + 1.0)
    far.forget()
    until("mail again", lambda: len(far.carried) > 60)
    assert max(far.most_open.values()) <= 2


def test_one_of_two_sources_rests_and_the_other_one_goes_on(world: World, far: Crowd) -> None:
    """A receiver judges addresses."""
    sources = {"main": {"ipv4": "192.0.2.101"}, "new": {"ipv4": "192.0.2.102"}}
    host = world.host(worker={"sites": {"partner": {"mx": [".mx.partner.example"]}}, "sources": sources})
    host.start("beanstalkd", "postoffice", "worker-1", "worker-2")
    say(host, *rest("partner", "main", 600.0))
    time.sleep(1.5)  # until they have looked
    host.http.batch([Post((f"a{number}@one.example",), BODY) for number in range(300)])
    until("all letters", lambda: len(far.came) == 300, seconds=60)
    assert {each.source for each in far.carried} == {"192.0.2.102"}
