"""Nameservers that are gone are told from a domain that can't be told: by a name that was answered before."""

import asyncio
from collections.abc import Iterable

import dns.message
import dns.rcode
import pytest
from dns_script import AMPLE, Clock, Start, answer, event_loop, failing, good, silent, start

from hedwig.mx import MxFound, MxUnknown
from hedwig.mx.dns import DnsResolver
from hedwig.mx.records import FAILURE_TTL, GONE_TTL

__all__ = ["event_loop", "start"]  # fixtures
pytestmark = pytest.mark.usefixtures("event_loop")


class Fate:
    """A server's: "good.example" and the root are answered while `works`, "bad.example" never."""

    def __init__(self, fault: dns.rcode.Rcode | None) -> None:
        self.works = True
        self._fault = failing(fault) if fault is not None else silent

    def __call__(self, query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        name = query.question[0].name.to_text()
        if self.works and "bad" not in name:
            return [answer(query, f"{name} 60 MX 10 mx.good.example.").to_wire()]
        return self._fault(query, by_tcp)


FAULTS = [dns.rcode.SERVFAIL, dns.rcode.REFUSED, None]


def gone(found: object) -> float:
    assert isinstance(found, MxUnknown)
    return found.gone


@pytest.mark.parametrize("fault", FAULTS[:2])
async def test_one_domain_fails(start: Start, fault: dns.rcode.Rcode) -> None:
    """Another name is answered: that domain has itself to blame, and is not asked again for a while."""
    clock = Clock()
    server = await start(Fate(fault))
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    assert isinstance(await resolver.exchangers("good.example"), MxFound)
    clock.now += 1.0
    assert gone(await resolver.exchangers("bad.example")) == 0.0
    clock.now += FAILURE_TTL - 1.0
    asked = len(server.asked)
    assert gone(await resolver.exchangers("bad.example")) == 0.0
    assert len(server.asked) == asked
    await resolver.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_all_fail(start: Start, fault: dns.rcode.Rcode | None) -> None:
    """Not even a name that was answered before: the servers are gone, and for how long is told. Once they are back the
    same domain is found."""
    clock = Clock()
    fate = Fate(fault)
    server = await start(fate)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE if fault is not None else 0.2, clock=clock)
    assert isinstance(await resolver.exchangers("good.example"), MxFound)
    clock.now += 100.0
    fate.works = False
    assert gone(await resolver.exchangers("new.example")) == 1.0
    clock.now += 3600.0
    assert gone(await resolver.exchangers("new.example")) == 3600.0
    fate.works = True
    clock.now += GONE_TTL
    assert isinstance(await resolver.exchangers("new.example"), MxFound)
    clock.now += 1.0
    assert gone(await resolver.exchangers("bad.example")) == 0.0
    await resolver.close()


@pytest.mark.parametrize(("works", "expected"), [(True, 0.0), (False, 1.0)])
async def test_nothing_was_ever_answered(start: Start, works: bool, expected: float) -> None:
    """Then the root's name servers are asked for: every resolver knows them."""
    fate = Fate(dns.rcode.SERVFAIL)
    fate.works = works
    server = await start(fate)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=Clock())
    assert gone(await resolver.exchangers("bad.example")) == expected
    await resolver.close()


async def test_nobody_listens(start: Start) -> None:
    """Connection refused is gone too."""
    server = await start(good)
    await server.close()
    resolver = DnsResolver([server.address], server.port, timeout=0.05)
    assert gone(await resolver.exchangers("new.example")) > 0.0
    await resolver.close()


async def test_a_hundred_failures_have_one_control(start: Start) -> None:
    """While it is under way, and for a moment after it."""
    fate = Fate(dns.rcode.SERVFAIL)
    fate.works = False
    asked: list[str] = []

    def counting(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        asked.append(query.question[0].name.to_text())
        return fate(query, by_tcp)

    server = await start(counting)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=Clock())
    found = await asyncio.gather(*(resolver.exchangers(f"d{number}.example") for number in range(100)))
    assert all(gone(one) for one in found)
    assert asked.count(".") == 1
    await resolver.close()
