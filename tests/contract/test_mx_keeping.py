"""How often a resolver asks: answers are kept for their time, and slow names hold back no others (I9)."""

import asyncio
from collections.abc import Iterable

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from dns_script import AMPLE, GOOD, Clock, Script, Start, answer, event_loop, failing, good, silent, start

from hedwig.mx import AddressesFound
from hedwig.mx.dns import DnsResolver
from hedwig.mx.records import FAILURE_TTL, MAX_ABSENT

__all__ = ["event_loop", "start"]  # fixtures
pytestmark = pytest.mark.usefixtures("event_loop")
SOA = "example.org. {ttl} SOA ns. host. 1 1 1 1 {ttl}"


async def test_one_family_is_enough(start: Start) -> None:
    """A fails, AAAA answers: what there is is used, but only for as long as a failure is kept."""
    clock = Clock()

    def half(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        is_a = query.question[0].rdtype == dns.rdatatype.A
        return (failing(dns.rcode.SERVFAIL) if is_a else good)(query, by_tcp)

    server = await start(half)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    assert await resolver.addresses("mx.example.net") == AddressesFound(("2001:db8::1",))
    server.script = good
    clock.now += FAILURE_TTL
    assert await resolver.addresses("mx.example.net") == AddressesFound(("192.0.2.1", "2001:db8::1"))
    await resolver.close()


@pytest.mark.parametrize("script", [failing(dns.rcode.SERVFAIL), failing(dns.rcode.NXDOMAIN)])
async def test_dead_domain_is_asked_once_for_a_while(start: Start, script: Script) -> None:
    """50,000 letters to a dead domain don't ask 50,000 times; and later it is asked again (I9)."""
    clock = Clock()
    server = await start(script)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    for _ in range(1000):
        await resolver.exchangers("dead.example")
    assert len(server.asked) == 1
    server.script = good
    clock.now += FAILURE_TTL
    assert await resolver.exchangers("dead.example") == GOOD
    await resolver.close()


@pytest.mark.parametrize(
    ("records", "rcode", "kept"),
    [
        (("example.org. 60 MX 10 mx.example.net.",), dns.rcode.NOERROR, 60),
        (("example.org. 0 MX 10 mx.example.net.",), dns.rcode.NOERROR, 1),
        (("example.org. 9999999 MX 10 mx.example.net.",), dns.rcode.NOERROR, 86400),
        (("example.org. 20 CNAME a.", "a. 60 MX 10 mx.example.net."), dns.rcode.NOERROR, 20),
        ((SOA.format(ttl=40),), dns.rcode.NXDOMAIN, 40),
        ((SOA.format(ttl=86400),), dns.rcode.NXDOMAIN, MAX_ABSENT),
        ((SOA.format(ttl=0),), dns.rcode.NXDOMAIN, 1),
    ],
)
async def test_answers_are_kept_for_their_ttl(
    start: Start, records: tuple[str, ...], rcode: dns.rcode.Rcode, kept: float
) -> None:
    """Neither longer nor shorter, within bounds (RFC 2308 for absence)."""
    clock = Clock()
    server = await start(lambda query, by_tcp: [answer(query, *records, rcode=rcode).to_wire()])
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE, clock=clock)
    await resolver.exchangers("example.org")
    clock.now += kept - 0.5
    await resolver.exchangers("example.org")
    assert len(server.asked) == 1
    clock.now += 0.5
    await resolver.exchangers("example.org")
    assert len(server.asked) == 2
    await resolver.close()


async def test_one_look_up_in_flight_whatever_becomes_of_who_asked(start: Start) -> None:
    """A thousand couriers ask for one name: one question; the first one's cancellation harms no other."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=5.0)
    askers = [asyncio.create_task(resolver.exchangers("example.org")) for _ in range(1000)]
    late = asyncio.get_running_loop().create_future()

    def holding(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        late.set_result(query)
        return []

    server.script = holding
    query = await late
    askers[0].cancel()
    assert isinstance((await asyncio.gather(askers[0], return_exceptions=True))[0], asyncio.CancelledError)
    assert len(server.asked) == 1
    server.resend(next(iter(good(query))))
    assert set(await asyncio.gather(*askers[1:])) == {GOOD}
    assert len(server.asked) == 1
    await resolver.close()


async def test_slow_names_hold_back_no_others(start: Start) -> None:
    """300 names that are never answered, more than may be young at a time; others are found meanwhile (I9)."""
    server = await start(lambda query, by_tcp: [] if "slow" in str(query.question[0].name) else good(query))
    resolver = DnsResolver([server.address], server.port, timeout=60.0, lifetime=60.0)
    slow = [asyncio.create_task(resolver.exchangers(f"slow{number}.example")) for number in range(300)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        assert await resolver.exchangers("quick.example") == GOOD
    assert not any(task.done() for task in slow)
    assert len(server.ports) > 1  # not all wait on one socket, whose receive buffer is bounded
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await resolver.close()


async def test_port_changes(start: Start) -> None:
    """A forger who has found out the port has to begin again (RFC 5452)."""
    server = await start(good)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    for number in range(1100):
        assert await resolver.exchangers(f"d{number}.example") == GOOD
    assert len(server.ports) == 2
    await resolver.close()
