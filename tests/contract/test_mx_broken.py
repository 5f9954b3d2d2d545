"""DNS that misbehaves: servers that fail, are silent, lie, or send garbage. Never a failure of the recipient (I8)."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from dns_fixtures import free_port
from dns_script import AMPLE, GOOD, SHORT, Script, Start, answer, event_loop, failing, good, silent, start

from hedwig.mx import AddressesNone, MxFound, MxNone, MxUnknown
from hedwig.mx.dns import DnsResolver

__all__ = ["event_loop", "start"]  # fixtures
pytestmark = pytest.mark.usefixtures("event_loop")
SOA = "example.org. {ttl} SOA ns. host. 1 1 1 1 {ttl}"


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.NOTAUTH])
async def test_failing_server_is_a_deferral_with_its_words(start: Start, rcode: dns.rcode.Rcode) -> None:
    """The operator is told which server said what."""
    server = await start(failing(rcode))
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert found.text == f"MX of example.org: nameserver 127.0.0.1: {dns.rcode.to_text(rcode)}"
    assert isinstance(await resolver.addresses("example.org"), MxUnknown)
    await resolver.close()


@pytest.mark.parametrize("first", [failing(dns.rcode.SERVFAIL), failing(dns.rcode.REFUSED), silent])
async def test_next_server_is_asked(start: Start, first: Script) -> None:
    """Where the first fails or is silent the second decides."""
    broken = await start(first)
    working = await start(good, "127.0.0.2", broken.port)
    resolver = DnsResolver([broken.address, working.address], broken.port, timeout=SHORT)
    assert await resolver.exchangers("example.org") == GOOD
    assert len(broken.asked) == len(working.asked) == 1
    await resolver.close()


async def test_silent_server_is_asked_last_from_then_on(start: Start) -> None:
    """One dead server of two costs its time-out once, not once a domain."""
    broken = await start(silent)
    working = await start(good, "127.0.0.2", broken.port)
    resolver = DnsResolver([broken.address, working.address], broken.port, timeout=SHORT)
    for number in range(10):
        assert await resolver.exchangers(f"d{number}.example") == GOOD
    assert len(broken.asked) == 1
    await resolver.close()


async def test_silence_is_a_deferral_after_three_rounds(start: Start) -> None:
    """Lost datagrams are sent again, but not for ever."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=0.05, lifetime=60.0)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert "no answer within" in found.text
    assert len(server.asked) == 3
    await resolver.close()


async def test_lifetime_bounds_a_question(start: Start) -> None:
    """Whatever a server's own time-out: past the lifetime nobody is asked any more."""
    server = await start(silent)
    resolver = DnsResolver([server.address], server.port, timeout=600.0, lifetime=0.1)
    async with asyncio.timeout(60):
        assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    assert len(server.asked) == 1
    await resolver.close()


async def test_one_lost_datagram_is_no_deferral(start: Start) -> None:
    """The second round finds the answer."""
    server = await start(lambda query, by_tcp: good(query) if len(server.asked) > 1 else [])
    resolver = DnsResolver([server.address], server.port, timeout=SHORT)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_server_that_restarts_is_asked_again(start: Start) -> None:
    """Connection refused for a moment, as while unbound restarts, defers nothing."""
    port = free_port()
    resolver = DnsResolver(["127.0.0.1"], port, timeout=5.0)
    asking = asyncio.create_task(resolver.exchangers("example.org"))
    await asyncio.sleep(0)
    await start(good, port=port)
    assert await asking == GOOD
    await resolver.close()


async def test_nobody_listens(start: Start) -> None:
    """No resolver at all: a deferral that says so."""
    del start
    resolver = DnsResolver(["127.0.0.1"], free_port(), timeout=0.05)
    found = await resolver.exchangers("example.org")
    assert isinstance(found, MxUnknown)
    assert "refused" in found.text
    await resolver.close()


async def test_server_from_before_edns(start: Start) -> None:
    """FORMERR to the OPT record: asked again without (RFC 6891 §6.2.2)."""

    def old(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        return good(query) if query.edns < 0 else failing(dns.rcode.FORMERR)(query, by_tcp)

    server = await start(old)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_edns_asks_for_1232_octets(start: Start) -> None:
    """RFC 9715: no fragments."""
    sizes: list[int] = []

    def noting(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        sizes.append(query.payload)
        assert query.flags & dns.flags.RD
        return good(query, by_tcp)

    server = await start(noting)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    await resolver.exchangers("example.org")
    assert sizes == [1232]
    await resolver.close()


def truncated(query: dns.message.Message) -> bytes:
    response = answer(query, f"{query.question[0].name} 60 MX 1 half.example.")
    response.flags |= dns.flags.TC
    return response.to_wire()


async def test_truncated_answer_is_never_used(start: Start) -> None:
    """Its half of the records is dropped, the whole comes by TCP."""
    server = await start(lambda query, by_tcp: good(query) if by_tcp else [truncated(query)])
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    assert [by_tcp for *_, by_tcp in server.asked] == [False, True]
    await resolver.close()


@pytest.mark.parametrize("by_tcp", [[], [b""], [b"\0" * 11], [b"\xff" * 200]])
async def test_truncated_answer_and_broken_tcp(start: Start, by_tcp: list[bytes]) -> None:
    """Neither half an answer nor garbage counts."""
    server = await start(lambda query, is_tcp: by_tcp if is_tcp else [truncated(query)])
    resolver = DnsResolver([server.address], server.port, timeout=0.1)
    assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    await resolver.close()


async def test_answer_to_another_question_over_tcp(start: Start) -> None:
    """The ID must be the one that was sent there too."""

    def other(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        (true,) = good(query)
        return [bytes([true[0] ^ 1]) + true[1:]] if by_tcp else [truncated(query)]

    server = await start(other)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    await resolver.close()


async def test_forged_and_foreign_datagrams_are_ignored(start: Start) -> None:
    """Another ID, another question, a query, garbage: the wait goes on until the true answer comes."""

    def with_noise(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        (true,) = good(query, by_tcp)
        evil = answer(query, f"{query.question[0].name} 60 MX 1 evil.example.").to_wire()
        other = dns.message.make_query("other.example.", "MX", id=query.id)
        yield b""
        yield b"\xff" * 7
        yield bytes([evil[0] ^ 1]) + evil[1:]
        yield answer(other, "other.example. 60 MX 1 evil.example.").to_wire()
        yield query.to_wire()
        yield evil[:2] + bytes([evil[2] | 0x70]) + evil[3:]  # an opcode that there is not
        yield evil[:4] + b"\0\0" + evil[6:12]  # no question, yet NOERROR
        yield true

    server = await start(with_noise)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_malformed_answers_are_deferrals_and_nothing_else(start: Start) -> None:
    """1,000 answers with random octets changed behind the question: a value comes, never an exception or a hang."""
    dice = random.Random(7)

    def mangled(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        del by_tcp
        name = query.question[0].name
        records = [f"{name} 60 CNAME alias.example.", "alias.example. 60 MX 10 mx.example.", "a. 9 AAAA ::1"]
        wire = bytearray(answer(query, *records, SOA.format(ttl=60)).to_wire())
        start_at = 12 + len(name.to_wire()) + 4
        for _ in range(dice.randint(1, 6)):
            wire[dice.randrange(start_at, len(wire))] = dice.randrange(256)
        wire[6:12] = bytes([0, dice.choice([1, 2, 3, 255]), 0, dice.choice([0, 1]), 0, dice.choice([0, 1])])
        return [bytes(wire[: dice.choice([len(wire), dice.randrange(start_at, len(wire))])])]

    server = await start(mangled)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    answers = await asyncio.gather(*(resolver.exchangers(f"d{number}.example") for number in range(1000)))
    kinds = {type(found) for found in answers}
    assert MxUnknown in kinds
    assert kinds <= {MxUnknown, MxFound, MxNone}
    await resolver.close()


async def test_half_an_answer_is_no_absence(start: Start) -> None:
    """A fails and there is no AAAA: the host may well have an address, so nothing bounces."""

    def half(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        rcode = dns.rcode.SERVFAIL if query.question[0].rdtype == dns.rdatatype.A else dns.rcode.NOERROR
        return failing(rcode)(query, by_tcp)

    server = await start(half)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.addresses("mx.example.net"), MxUnknown)
    await resolver.close()


async def test_name_that_does_not_exist_has_no_other_family(start: Start) -> None:
    """NXDOMAIN is about the name (RFC 8020), so that one family's failure doesn't matter."""

    def half(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        is_a = query.question[0].rdtype == dns.rdatatype.A
        return failing(dns.rcode.NXDOMAIN if is_a else dns.rcode.SERVFAIL)(query, by_tcp)

    server = await start(half)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.addresses("mx.example.net"), AddressesNone)
    await resolver.close()


async def test_names_come_in_lower_case(start: Start) -> None:
    """One host written in two ways is one host."""
    records = ("example.org. 60 MX 10 MX.Example.NET.", "example.org. 60 MX 10 mx.example.net.")
    server = await start(lambda query, by_tcp: [answer(query, *records).to_wire()])
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("example.org") == GOOD
    await resolver.close()


async def test_cname_that_the_server_does_not_follow(start: Start) -> None:
    """We go on with the name that it stands for; and not for ever."""

    def one_step(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        name = query.question[0].name.to_text()
        if name == "end.example.":
            return good(query, by_tcp)
        target = "end.example." if name == "start.example." else "round.example."
        return [answer(query, f"{name} 60 CNAME {target}").to_wire()]

    server = await start(one_step)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert await resolver.exchangers("start.example") == replace(GOOD, name="end.example")
    assert isinstance(await resolver.exchangers("round.example"), MxUnknown)
    assert len(server.asked) < 20
    await resolver.close()


async def test_implicit_mx_waits_for_its_addresses(start: Start) -> None:
    """No MX, and the addresses can't be had now: a deferral, not 5.1.2."""

    def no_mx(query: dns.message.Message, by_tcp: bool) -> Iterable[bytes]:
        rcode = dns.rcode.NOERROR if query.question[0].rdtype == dns.rdatatype.MX else dns.rcode.SERVFAIL
        return failing(rcode)(query, by_tcp)

    server = await start(no_mx)
    resolver = DnsResolver([server.address], server.port, timeout=AMPLE)
    assert isinstance(await resolver.exchangers("example.org"), MxUnknown)
    await resolver.close()


def test_server_must_be_an_address() -> None:
    """A name as nameserver is a mistake in the settings, and said at the start."""
    with pytest.raises(ValueError, match="localhost"):
        DnsResolver(["localhost"])
