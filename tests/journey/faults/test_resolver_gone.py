"""The resolver is gone: mail waits untouched, no sender hears of it, and it goes soon after that is back (I8)."""

import re

from ..dns import RESOLVER
from ..submit import Post
from ..waiting import until
from ..world import HOME, World, mx
from .machine import LETTER, Machine, machine, once_each
from .resolver import NOERROR, REFUSED, SERVFAIL, Resolver

FRONT = "127.0.0.55"
DOMAINS = [f"d{number}.example" for number in range(5)]
LETTERS = 25  # to a domain: more than wait for a slow look-up
SETTINGS = {
    "dns": {"nameservers": [FRONT], "port": 53},
    "retry": {"schedule": ["1h"], "jitter": "0%"},  # what were put off by the schedule would not come in this test
}


def test_in_each_of_its_ways(world: World) -> None:
    """SERVFAIL, REFUSED, silence, nobody there: for domains that were known and others. Not a try is counted."""
    world.dns(*(mx(domain, "192.0.2.1") for domain in DOMAINS))
    far = world.far("192.0.2.1")
    home = world.far(HOME)
    resolver = Resolver(FRONT, RESOLVER)
    world.at_end(resolver.leave)
    host = machine(world, worker=SETTINGS).start("beanstalkd", "postoffice", "worker-1")
    post(host, 0, "before")
    until("first letters", lambda: len(far.copies()) == LETTERS)
    resolver.fate = SERVFAIL
    wait_for(host, 1, "SERVFAIL")
    resolver.fate = REFUSED
    wait_for(host, 2, "REFUSED")
    resolver.fate = None
    wait_for(host, 3, "looking up")
    resolver.leave()
    wait_for(host, 4, "Connection refused")
    wait_for(host, 0, "Connection refused")
    assert host.listed().count("not tried yet") == 5 * LETTERS
    resolver.fate = NOERROR
    resolver.listen()
    once_each(host, far, 6 * LETTERS)
    assert home.letters == []
    told = host["worker-1"].words()
    assert "alert: the nameservers answer no question" in told and "the nameservers answer again" in told
    assert "deferred" not in told


def post(host: Machine, number: int, name: str) -> None:
    host.http.batch([Post((f"{name}{letter}@{DOMAINS[number]}",), LETTER) for letter in range(LETTERS)])


def wait_for(host: Machine, number: int, why: str) -> None:
    """Post letters to a domain; come back when `hedwig queue` tells why they wait."""
    post(host, number, "user")
    until(f"{why} for {DOMAINS[number]}", lambda: said_of(host, DOMAINS[number], why))


def said_of(host: Machine, domain: str, word: str) -> bool:
    """Whether the list of what is not tried at present has it so."""
    return bool(re.search(rf"^    {domain}: .*\n.*{word}", host.listed(), re.MULTILINE))
