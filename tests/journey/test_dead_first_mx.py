"""The first MX is dead or surly: the next one gets the letter, in the same try."""

import pytest

from .farside import Rule
from .submit import SAMPLE
from .waiting import until
from .world import World, mx

SURLY = {
    "greets with 554": Rule("banner", "554 5.7.1 not from there"),
    "greets with 421": Rule("banner", "421 4.3.2 too busy"),
    "hangs up": Rule("banner", hang_up=True),
    "resets": Rule("banner", hang_up=True, reset=True),
    "hangs up at EHLO": Rule("ehlo", hang_up=True),
}


def delivered_by_the_second(world: World) -> None:
    """One letter, sent now, arrives at 192.0.2.2 without a retry (whose wait would be 10 minutes)."""
    second = world.far("192.0.2.2")
    host = world.host(worker={"retry": {"schedule": ["10m"]}}).start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the letter at the second MX", second.accepted)
    until("an empty queue", lambda: not host.is_queued(queue_id))
    assert second.copies() == {"stenote@163.com": 1}


def test_refuses_connections(world: World) -> None:
    """Nobody listens at the first one."""
    world.dns(mx("163.com", "192.0.2.1", "192.0.2.2"))
    delivered_by_the_second(world)


@pytest.mark.parametrize("surly", SURLY)
def test_does_not_want(world: World, surly: str) -> None:
    """A 5yz greeting is about our address, never about the recipient."""
    world.dns(mx("163.com", "192.0.2.1", "192.0.2.2"))
    rule = SURLY[surly]
    world.far("192.0.2.1", Rule(rule.stage, rule.reply, hang_up=rule.hang_up, reset=rule.reset))
    delivered_by_the_second(world)


def test_has_no_address(world: World) -> None:
    """Its name does not exist."""
    world.dns("163.com. MX 10 gone.163.com.\n163.com. MX 20 mx.163.com.\nmx.163.com. A 192.0.2.2")
    delivered_by_the_second(world)


def test_an_exchanger_with_ipv6_alone(world: World) -> None:
    """No A record, but AAAA."""
    world.dns(mx("163.com", "2001:db8::25"))
    far = world.far("2001:db8::25")
    world.host().start()
    world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the letter", far.accepted)


def test_no_mx_record_means_the_domain_itself(world: World) -> None:
    """RFC 5321 §5.1: the implicit MX."""
    world.dns("163.com. A 192.0.2.2")
    delivered_by_the_second(world)


def test_all_are_dead_for_now(world: World) -> None:
    """Deferred, with the reason for the operator; delivered when one of them lives again."""
    world.dns(mx("163.com", "192.0.2.1", "192.0.2.2"))
    host = world.host().start()
    queue_id = world.msmtp.send(SAMPLE, "stenote@163.com")
    until("the reason in the list", lambda: "refused" in host.listed().lower())
    assert host.is_queued(queue_id)
    far = world.far("192.0.2.1")
    until("the letter", far.accepted, seconds=90)  # a site that gave no session is left alone for 60 s
    assert far.copies() == {"stenote@163.com": 1}
